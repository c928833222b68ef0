# Two images: the operator's, which is the default, and the worker's (`--target worker`), which
# brings the worker into pods and is a base for your images.
#
# All stages start from one base, because the virtual environments link to the base's interpreter.
# Anything with python3 (3.11 or newer), glibc and ca-certificates will do; Debian's is detected.
ARG BASE_IMAGE=docker.io/library/python:3.12-slim

FROM ${BASE_IMAGE} AS build
# For a mirror or a proxy with a certificate of its own; without values pip's defaults hold.
ARG PIP_INDEX_URL
ARG PIP_CERT
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src

# Debian splits venv and ensurepip from python3; the python images have them.
RUN python3 -c 'import ensurepip' 2>/dev/null \
    || { apt-get update && apt-get install --yes --no-install-recommends python3-venv; }

# pip stays in an environment of the build's own, and installs into the one that is shipped.
RUN python3 -m venv /build

# The build backend runs code, so it is pinned by hash as the dependencies are.
RUN printf '%s\n' \
        'hatchling==1.33.0 --hash=sha256:415290b84f464d2884303fca8974d38e7b85579069fab02a15db0828fbb1446d' \
        'packaging==26.3 --hash=sha256:d7193f7c8e4e93f444fde0262bf90af30e16fa0ad0ad44cb553c87339b23cd1c' \
        'pathspec==1.1.1 --hash=sha256:a00ce642f577bf7f473932318056212bc4f8bfdf53128c78bbd5af0b9b20b189' \
        'pluggy==1.7.0 --hash=sha256:7dd7b0d8832ba3cb632c306926ded123429211b83641b35dc5c41ad2d34f9bec' \
        'tomlkit==0.15.2 --hash=sha256:05562412163a3037b94497385fb7f9204c637bc605af7a48199e41cf2272f437' \
        'trove-classifiers==2026.9.21.13 --hash=sha256:8b1ff4f9c191b1040b71c37f1e445ab99732911e3cd91de52838453a854d7a17' \
        > /build/requirements.lock \
    && /build/bin/pip install --require-hashes --no-deps --only-binary :all: -r /build/requirements.lock

FROM build AS wheel
COPY LICENSE README.md pyproject.toml ./
COPY operator ./operator
RUN /build/bin/pip wheel --no-build-isolation --no-deps --wheel-dir /build/dist .

FROM build AS operator-environment
RUN python3 -m venv --without-pip /opt/workqueuejob
COPY requirements.lock ./
# Bytecode that is never compared with its source: the root file system is read-only, and a copy
# between stages may change the times that the usual check looks at.
RUN /build/bin/pip --python /opt/workqueuejob/bin/python install \
        --require-hashes --no-deps --only-binary :all: --no-compile -r requirements.lock \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/workqueuejob/lib
COPY --from=wheel /build/dist /build/dist
RUN /build/bin/pip --python /opt/workqueuejob/bin/python install \
        --no-index --no-deps --no-compile /build/dist/*.whl \
    && rm -r /opt/workqueuejob/bin/wqj-worker /opt/workqueuejob/lib/python3*/site-packages/workqueuejob/worker \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/workqueuejob/lib/python3*/site-packages/workqueuejob

FROM build AS worker-environment
# With the base's packages in view, so that an image built on it may add some by pip or apt.
RUN python3 -m venv --without-pip --system-site-packages /opt/workqueuejob
COPY requirements-worker.lock ./
RUN /build/bin/pip --python /opt/workqueuejob/bin/python install \
        --require-hashes --no-deps --only-binary :all: --no-compile -r requirements-worker.lock \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/workqueuejob/lib
COPY --from=wheel /build/dist /build/dist
RUN /build/bin/pip --python /opt/workqueuejob/bin/python install \
        --no-index --no-deps --no-compile /build/dist/*.whl \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/workqueuejob/lib/python3*/site-packages/workqueuejob
COPY dev/worker ./dev/worker
RUN python3 -m dev.worker.own_modules /opt/workqueuejob/lib/python3*/site-packages \
    && rm /opt/workqueuejob/bin/workqueuejob-operator \
    && python3 -m dev.worker.make_runtime /opt/workqueuejob/lib/python3*/site-packages /opt/wqj \
    && cp dev/worker/wqj-worker-install /opt/workqueuejob/bin/

FROM ${BASE_IMAGE} AS worker
ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="WorkQueueJob worker" \
      org.opencontainers.image.description="Takes items from a work queue and has them worked on, in any image" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=worker-environment /opt/workqueuejob /opt/workqueuejob
COPY --from=worker-environment /opt/wqj /opt/wqj
ENV PATH=/opt/workqueuejob/bin:${PATH} PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# A number, because the kubelet can't check runAsNonRoot against a name.
USER 65532:65532
ENTRYPOINT ["wqj-worker"]

FROM ${BASE_IMAGE} AS operator
ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="WorkQueueJob operator" \
      org.opencontainers.image.description="A Kubernetes operator that drains work queues with Jobs of the right size" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=operator-environment /opt/workqueuejob /opt/workqueuejob
ENV PATH=/opt/workqueuejob/bin:${PATH} PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# A number, because the kubelet can't check runAsNonRoot against a name.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["workqueuejob-operator"]
CMD ["run"]
