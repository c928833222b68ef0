"""Every refusal of the API server becomes an error of ours, in its own words."""

import json

import aiohttp
import pytest
from kubernetes.aio.client import ApiException

from workqueuejob.cluster.errors import cluster_errors
from workqueuejob.errors import (
    ClusterError,
    ClusterUnavailable,
    Conflict,
    JobNameConflict,
    JobRejected,
    NamespaceTerminating,
    NotFound,
    TemplateInvalid,
)


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (400, "BadRequest", TemplateInvalid),
        (403, "Forbidden", JobRejected),
        (404, "NotFound", NotFound),
        (409, "AlreadyExists", JobNameConflict),
        (409, "Conflict", Conflict),
        (422, "Invalid", TemplateInvalid),
        (429, "TooManyRequests", ClusterUnavailable),
        (500, "InternalError", ClusterUnavailable),
        (504, "Timeout", ClusterUnavailable),
    ],
)
def test_status_reason_decides_and_its_message_is_kept(
    code: int, reason: str, expected: type[ClusterError]
) -> None:
    body = json.dumps({"kind": "Status", "reason": reason, "message": "in its own words"})

    with pytest.raises(expected, match="in its own words"), cluster_errors():
        raise ApiException(status=code, reason="http words", body=body)


CALL = 'Internal error occurred: failed calling webhook "jobs.example.com": failed to call webhook:'


@pytest.mark.parametrize(
    ("code", "reason", "message"),
    [
        (500, "InternalError", f"{CALL} Post https://hook.shop.svc:443: connection refused"),
        (500, "InternalError", f"{CALL} context deadline exceeded"),
        (400, "", 'admission webhook "jobs.example.com" denied the request: not on Mondays'),
        (418, "", 'admission webhook "jobs.example.com" denied the request: a teapot'),
        (500, "", 'admission webhook "jobs.example.com" denied the request: broken'),
        (422, "Invalid", "jobs is forbidden: ValidatingAdmissionPolicy 'p' denied request: no"),
        (413, "RequestEntityTooLarge", "the request is too large"),
        (451, "", "unavailable for legal reasons"),
    ],
)
def test_webhooks_and_policies_refuse_whatever_code_they_choose(
    code: int, reason: str, message: str
) -> None:
    body = json.dumps({"kind": "Status", "reason": reason, "message": message})

    with pytest.raises(JobRejected) as refused, cluster_errors():
        raise ApiException(status=code, reason="http words", body=body)

    assert message in str(refused.value)
    is_silent = "failed calling webhook" in message
    assert ("for webhook jobs.example.com, or change its conf" in str(refused.value)) is is_silent


@pytest.mark.parametrize("code", [401, 408, 429, 500, 503, 504])
def test_code_that_says_nothing_about_the_request_is_an_unavailable_cluster(code: int) -> None:
    with pytest.raises(ClusterUnavailable), cluster_errors():
        raise ApiException(status=code, reason="http words", body="")


def test_namespace_that_is_being_deleted_is_told_by_its_cause_and_not_by_words() -> None:
    status = {"reason": "Forbidden", "message": "being terminated"}
    cause = {"reason": "NamespaceTerminating", "field": "metadata.namespace"}
    for details, expected in (
        ({"causes": [cause]}, NamespaceTerminating),
        ({"causes": [{"reason": "FieldValueInvalid"}]}, JobRejected),
        (None, JobRejected),
    ):
        body = json.dumps({**status, "details": details})
        with pytest.raises(JobRejected, match="being terminated") as refused, cluster_errors():
            raise ApiException(status=403, reason="http words", body=body)
        assert refused.type is expected


@pytest.mark.parametrize("body", [None, "", "<html>", "[]", '{"message": null}'])
def test_answer_without_a_status_is_judged_by_its_code(body: str | None) -> None:
    with pytest.raises(JobRejected, match="403"), cluster_errors():
        raise ApiException(status=403, reason="Forbidden", body=body)


@pytest.mark.parametrize(
    "error", [aiohttp.ClientConnectionError("x"), TimeoutError(), ConnectionResetError()]
)
def test_silence_is_an_unavailable_cluster(error: Exception) -> None:
    with pytest.raises(ClusterUnavailable, match=type(error).__name__), cluster_errors():
        raise error
