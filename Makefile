# Every target can be run again at once, installs what it needs, and says what it is doing.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
LOCAL := dev/cluster

.PHONY: help
help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Start a cluster unless KUBE_CONTEXT names one, install the operator, drain the fruits
	@$(PYTHON) -u -m dev.demo

.PHONY: demo-kafka
demo-kafka: ## The same cluster with a Kafka: a small model reads handwritten postcodes, twice
	@$(PYTHON) -u -m dev.demo_kafka

.PHONY: test
test: $(VENV)/ready ## Run what CI runs: style, types, layers, unit, contract, chart, CRD and cluster tests
	@$(PYTHON) -u -m dev.check

.PHONY: nightly
nightly: $(VENV)/ready ## Run all that is too long for `make test`, and print one summary
	@$(VENV)/bin/python -u -m dev.nightly

.PHONY: long-tests
long-tests: $(VENV)/ready ## Run the tests that `make test` leaves out
	@$(PYTHON) -u -m dev.check --nightly

.PHONY: check
check: $(VENV)/ready ## Run only what is quick and needs no server: style, types, layers and unit tests
	@$(PYTHON) -u -m dev.check --quick

.PHONY: runtime
runtime: $(VENV)/ready ## Hold the runtime that travels into pods to the worker's whole contract
	@$(PYTHON) -u -m dev.check --install
	@$(VENV)/bin/pytest -q -n 2 --dist loadfile tests/contract/worker --in-runtime

.PHONY: model
model: $(VENV)/ready ## Try more random schedules (seven times) and properties (three times) than `make test` does
	@$(VENV)/bin/pytest -q -n 2 tests/model
	@$(VENV)/bin/pytest -q -n 2 -m hypothesis tests/unit

.PHONY: model-hour
model-hour: $(VENV)/ready ## Try new random schedules of the model for an hour
	@end=$$(( SECONDS + 3600 )); \
	while (( SECONDS < end )); do \
		HYPOTHESIS_PROFILE=long $(VENV)/bin/pytest -q -n 2 tests/model; \
	done

ONLY ?=
.PHONY: contract-versions
contract-versions: $(VENV)/ready ## Run the contract suites on every version of RabbitMQ, Redis and Valkey; ONLY=rabbitmq-4.3
	@$(VENV)/bin/python -u -m dev.contract_versions --only "$(ONLY)"

.PHONY: crowd
crowd: $(VENV)/ready ## Start the operator before an API server that is full; run nothing beside it
	@$(PYTHON) -u -m dev.check --install
	@$(VENV)/bin/pytest -q -m crowd tests/crd

SEED ?= 1
.PHONY: chaos
chaos: $(VENV)/ready ## Kill, freeze and cut off all there is while items are worked on; SEED=1
	@$(VENV)/bin/python -u -m tests.chaos --seed $(SEED)

.PHONY: cluster
cluster: ## Start the local cluster, or mend it
	@$(LOCAL) up

.PHONY: cluster-down
cluster-down: ## Stop the local cluster and remove what it left
	@$(LOCAL) down

.PHONY: cluster-status
cluster-status: ## Say what of the local cluster runs
	@$(LOCAL) status

.PHONY: kubeconfig
kubeconfig: ## Print the path of the local cluster's kubeconfig
	@$(LOCAL) kubeconfig

.PHONY: generate
generate: $(VENV)/ready ## Generate crds/, the chart's copy and deploy/manifests/ from the models and the chart
	@$(VENV)/bin/python crds/generate.py
	@HELM=$$($(LOCAL) binaries)/helm $(VENV)/bin/python -m dev.sync

.PHONY: format
format: $(VENV)/ready ## Format the code
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

.PHONY: lock
lock: $(VENV)/ready ## Resolve the dependencies again into the lock files
	@$(VENV)/bin/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header pyproject.toml --extra operator -o requirements.lock
	@$(VENV)/bin/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header pyproject.toml --extra worker --extra kafka -c requirements.lock -o requirements-worker.lock
	@$(VENV)/bin/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header pyproject.toml --all-extras --group dev -c requirements.lock -o requirements-dev.lock

.PHONY: clean
clean: cluster-down ## Stop the local cluster and remove what was built in this folder
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .grimp_cache .import_linter_cache

$(VENV)/ready: requirements-dev.lock pyproject.toml
	@$(PYTHON) -m dev.prepare $(VENV)
	@touch $@
