"""InvokeEndpointAsync as boto3 calls it, and the way of one request."""

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from infra.local.cloud import ACCOUNT
from tests.infra.async_endpoint.play import ENDPOINT, REGION, Call, DeathError, Place


@pytest.fixture
def served(place: Place) -> Iterator[Place]:
    with place.served():
        yield place


def test_an_answer_says_where_the_results_will_be(served: Place) -> None:
    answer = served.ask(b"a cup", InferenceId="job-1")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["InferenceId"] == "job-1"
    key = answer["OutputLocation"].removeprefix(f"s3://{served.bucket}/output/").removesuffix(".out")
    assert answer["FailureLocation"] == f"s3://{served.bucket}/failure/{key}-error.out"


def test_a_request_without_a_name_is_given_one(served: Place) -> None:
    first, second = served.ask(b"a cup"), served.ask(b"a cup")
    assert len({first["InferenceId"], second["InferenceId"]}) == 2
    assert first["OutputLocation"] != second["OutputLocation"]


def test_the_container_is_given_the_input_and_what_the_caller_said_of_it(served: Place) -> None:
    served.ask(b"a cup", InferenceId="job-1", ContentType="image/jpeg", Accept="a/b", CustomAttributes='{"boxes": []}')
    served.wait_until_done()
    (call,) = served.model.calls
    assert call.body == b"a cup"
    given = {name.lower(): value for name, value in call.headers.items()}
    assert given["content-type"] == "image/jpeg"
    assert given["accept"] == "a/b"
    assert given["x-amzn-sagemaker-custom-attributes"] == '{"boxes": []}'
    assert given["x-amzn-sagemaker-inference-id"] == "job-1"


def test_an_answer_is_stored_and_told(served: Place) -> None:
    answer = served.ask(b"a cup", InferenceId="job-1", ContentType="image/jpeg", Accept="a/b")
    message = served.message()
    assert served.results() == {answer["OutputLocation"]: b"made of a cup"}
    key = answer["OutputLocation"].removeprefix(f"s3://{served.bucket}/")
    assert served.s3.head_object(Bucket=served.bucket, Key=key)["ContentType"] == "text/plain"
    assert message.pop("requestParameters").pop("inputLocation").startswith(f"s3://{served.bucket}/input/")
    assert message == {
        "topic": served.success_topic,
        "awsRegion": REGION,
        "eventTime": "2027-01-15T08:00:00.000Z",
        "receivedTime": "2027-01-15T08:00:00.000Z",
        "invocationStatus": "Completed",
        "responseParameters": {"contentType": "text/plain", "outputLocation": answer["OutputLocation"]},
        "inferenceId": "job-1",
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }


def test_a_message_repeats_what_was_asked(served: Place) -> None:
    location = served.put(b"a cup")
    given = {"EndpointName": ENDPOINT, "InputLocation": location}
    served.runtime.invoke_endpoint_async(**given, ContentType="image/jpeg", Accept="a/b")
    asked = {"endpointName": ENDPOINT, "inputLocation": location, "contentType": "image/jpeg", "accept": "a/b"}
    assert served.message()["requestParameters"] == asked


@pytest.mark.parametrize(("status", "kind"), [(400, "client"), (429, "client"), (500, "server"), (503, "server")])
def test_what_a_container_refuses_has_failed_at_once(served: Place, status: int, kind: str) -> None:
    served.model.answer = lambda _: (status, {"Content-Type": "application/json"}, b'{"error": "no cup"}')
    answer = served.ask(b"a cup", InferenceId="job-1")
    message = served.message()
    assert served.results() == {answer["FailureLocation"]: b'{"error": "no cup"}'}
    assert len(served.model.calls) == 1
    assert message["topic"] == served.error_topic
    assert message["invocationStatus"] == "Failed"
    assert message["inferenceId"] == "job-1"
    assert message["failureReason"] == (
        f"ClientError: Received {kind} error ({status}) from model."
        " See the SageMaker Endpoint logs in your account for more information."
    )
    assert "responseParameters" not in message


def test_a_container_that_dies_over_a_request_fails_it_and_is_started_for_the_next(served: Place) -> None:
    def answer(call: Call) -> Any:
        if call.body == b"poison":
            raise DeathError
        return 200, {}, b"fine"

    served.model.answer = answer
    poison, cup = served.ask(b"poison"), served.ask(b"a cup")
    served.wait_until_done()
    results = served.results()
    assert results.keys() == {poison["FailureLocation"], cup["OutputLocation"]}
    assert b"did not answer" in results[poison["FailureLocation"]]
    assert [message["invocationStatus"] for message in served.messages()] == ["Failed", "Completed"]
    assert served.model.containers[0].starts == 2


def test_a_container_that_never_answers_fails_the_request_in_time(served: Place) -> None:
    stop = threading.Event()

    def hang(_: Call) -> Any:
        stop.wait(60)
        return 200, {}, b""

    served.model.answer = hang
    answer = served.ask(b"a cup", InvocationTimeoutSeconds=1)
    message = served.message()
    stop.set()
    assert served.results().keys() == {answer["FailureLocation"]}
    assert "within InvocationTimeoutSeconds, 1" in message["failureReason"]


def test_an_input_that_is_not_there_fails_the_request(served: Place) -> None:
    served.runtime.invoke_endpoint_async(EndpointName=ENDPOINT, InputLocation=f"s3://{served.bucket}/input/nothing")
    assert "NoSuchKey" in served.message()["failureReason"]
    assert served.model.calls == []


def test_an_input_outside_s3_fails_the_request(served: Place) -> None:
    served.runtime.invoke_endpoint_async(EndpointName=ENDPOINT, InputLocation="https://example.com/cup.jpg")
    assert "no object of S3" in served.message()["failureReason"]


def test_an_endpoint_without_topics_and_failure_path_stores_answers_alone(served: Place) -> None:
    del served.control_plane.output["S3FailurePath"], served.control_plane.output["NotificationConfig"]
    served.model.answer = lambda call: (200 if call.body == b"a cup" else 500, {}, call.body)
    bad, good = served.ask(b"a mug"), served.ask(b"a cup")
    assert "FailureLocation" not in bad
    served.wait_until_done()
    assert served.results() == {good["OutputLocation"]: b"a cup"}
    assert served.messages() == []


def test_an_update_of_the_endpoint_holds_from_the_next_request_on(served: Place) -> None:
    before = served.ask(b"a cup")
    served.control_plane.output["S3OutputPath"] = f"s3://{served.bucket}/output/new"
    after = served.ask(b"a cup")
    served.wait_until_done()
    assert after["OutputLocation"].startswith(f"s3://{served.bucket}/output/new/")
    assert served.results().keys() == {before["OutputLocation"], after["OutputLocation"]}


# What is refused.


def _refused(served: Place, **given: Any) -> tuple[int, str, str]:
    location = f"s3://{served.bucket}/input/cup"
    with pytest.raises(ClientError) as raised:
        served.runtime.invoke_endpoint_async(**{"EndpointName": ENDPOINT, "InputLocation": location, **given})
    answer = raised.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


def test_an_endpoint_that_is_not_there_is_not_found(served: Place) -> None:
    told = f"Endpoint nobody of account {ACCOUNT} not found."
    assert _refused(served, EndpointName="nobody") == (400, "ValidationError", told)


def test_an_endpoint_that_is_not_in_service_is_not_found(served: Place) -> None:
    served.control_plane.status = "Creating"
    assert _refused(served)[2] == f"Endpoint {ENDPOINT} of account {ACCOUNT} not found."


def test_an_endpoint_that_is_not_asynchronous_takes_nothing(served: Place) -> None:
    served.control_plane.is_asynchronous = False
    assert "not asynchronous" in _refused(served)[2]


@pytest.mark.parametrize("setting", ["KmsKeyId", "IncludeInferenceResponseIn"])
def test_an_endpoint_that_wants_what_is_not_played_takes_nothing(served: Place, setting: str) -> None:
    output = served.control_plane.output
    (output if setting == "KmsKeyId" else output["NotificationConfig"])[setting] = ["SUCCESS_NOTIFICATION_TOPIC"]
    assert f"sets {setting}" in _refused(served)[2]


@pytest.mark.parametrize("given", [{"Filename": "cup"}, {"S3OutputPathExtension": "x"}, {"Body": b"a cup"}])
def test_a_call_that_wants_what_is_not_played_is_refused(served: Place, given: dict[str, Any]) -> None:
    assert f"{next(iter(given))}" in _refused(served, **given)[2]


@pytest.mark.parametrize(
    ("header", "value", "name", "rule"),
    [
        ("InputLocation", "ftp://bucket/key", "inputLocation", "satisfy regular expression pattern"),
        ("InputLocation", "", "inputLocation", "satisfy regular expression pattern"),
        ("InputLocation", "s3://b/" + "x" * 1024, "inputLocation", "have length less than or equal to 1024"),
        ("Inference-Id", "x" * 65, "inferenceId", "have length less than or equal to 64"),
        ("Inference-Id", "caf\xe9", "inferenceId", "satisfy regular expression pattern"),
        ("Custom-Attributes", "x" * 1025, "customAttributes", "have length less than or equal to 1024"),
        ("Custom-Attributes", "\xe9", "customAttributes", "satisfy regular expression pattern"),
        ("Content-Type", "x" * 1025, "contentType", "have length less than or equal to 1024"),
        ("Accept", "\xe9", "accept", "satisfy regular expression pattern"),
        ("RequestTTLSeconds", "59", "requestTTLSeconds", "have value greater than or equal to 60"),
        ("RequestTTLSeconds", "21601", "requestTTLSeconds", "have value less than or equal to 21600"),
        ("InvocationTimeoutSeconds", "0", "invocationTimeoutSeconds", "have value greater than or equal to 1"),
        ("InvocationTimeoutSeconds", "3601", "invocationTimeoutSeconds", "have value less than or equal to 3600"),
        ("InvocationTimeoutSeconds", "soon", "invocationTimeoutSeconds", "be an integer"),
    ],
)
def test_a_parameter_beyond_its_limits_is_refused(served: Place, header: str, value: str, name: str, rule: str) -> None:
    answer = _post(served, **{"InputLocation": "s3://bucket/key", header: value})
    assert answer.status_code == 400
    assert answer.headers["x-amzn-ErrorType"] == "ValidationError"
    message = answer.json()["Message"]
    assert message.startswith("1 validation error detected: Value '")
    assert f"at '{name}' failed to satisfy constraint: Member must {rule}" in message
    assert served.state()["ApproximateBacklogSize"] == 0


@pytest.mark.parametrize(
    ("header", "values"),
    [
        ("Inference-Id", ["x" * 64, "job 1 ~"]),
        ("Custom-Attributes", ["x" * 1024]),
        ("RequestTTLSeconds", ["60", "21600"]),
        ("InvocationTimeoutSeconds", ["1", "3600"]),
    ],
)
def test_a_parameter_at_its_limit_is_taken(served: Place, header: str, values: list[str]) -> None:
    for value in values:
        assert _post(served, **{"InputLocation": "s3://bucket/key", header: value}).status_code == 202


def test_all_that_is_wrong_is_said_at_once(served: Place) -> None:
    message = _post(served, Accept="\xe9").json()["Message"]
    assert message.startswith("2 validation errors detected: ")
    assert "Value null at 'inputLocation'" in message


def test_custom_attributes_are_not_repeated_in_an_error(served: Place) -> None:
    assert "secret" not in _post(served, **{"Custom-Attributes": "secret\xe9"}).text


def test_a_call_that_is_not_signed_is_refused(served: Place) -> None:
    answer = _post(served, authorization="", InputLocation="s3://bucket/key")
    assert (answer.status_code, answer.headers["x-amzn-ErrorType"]) == (403, "MissingAuthenticationTokenException")
    assert answer.json() == {"Message": "Missing Authentication Token"}


def test_a_call_that_is_signed_for_another_service_is_refused(served: Place) -> None:
    answer = _post(served, authorization=_SIGNED.replace("/sagemaker/", "/s3/"), InputLocation="s3://bucket/key")
    assert (answer.status_code, answer.headers["x-amzn-ErrorType"]) == (403, "InvalidSignatureException")


def test_another_operation_is_refused_in_awss_shape(served: Place) -> None:
    with pytest.raises(ClientError, match="UnknownOperationException"):
        served.runtime.invoke_endpoint(EndpointName=ENDPOINT, Body=b"")


def test_a_control_plane_that_does_not_answer_is_told_as_such(place: Place) -> None:
    place.control_plane = place.cloud.client("sagemaker", "http://127.0.0.1:1")
    with place.served():
        assert _post(place, InputLocation="s3://bucket/key").status_code == 503


_SIGNED = (
    f"AWS4-HMAC-SHA256 Credential=test/20261123/{REGION}/sagemaker/aws4_request, "
    f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
)


def _post(served: Place, authorization: str = _SIGNED, **given: str) -> httpx.Response:
    """Calls without boto3, which checks some limits itself."""
    headers = [(f"X-Amzn-SageMaker-{name}".encode(), value.encode("latin-1")) for name, value in given.items()]
    headers.append((b"Authorization", authorization.encode()))
    return served.http.post(f"/endpoints/{ENDPOINT}/async-invocations", headers=headers)
