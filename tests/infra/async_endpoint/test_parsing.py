"""Addresses of objects, and calls as they come over HTTP."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.async_endpoint.configuration import Configuration
from infra.local.async_endpoint.invocation import Invocation, RefusedError, read_call
from infra.local.async_endpoint.results import split_location


@pytest.mark.parametrize(
    ("location", "bucket", "key"),
    [
        ("s3://gen3d/a/b.json", "gen3d", "a/b.json"),
        ("s3://gen3d/a%20b?c#d", "gen3d", "a%20b?c#d"),
        ("https://gen3d.s3.eu-central-1.amazonaws.com/a%20b", "gen3d", "a b"),
        ("https://gen3d.s3.amazonaws.com/a", "gen3d", "a"),
        ("https://gen.3d.s3.dualstack.eu-central-1.amazonaws.com/a", "gen.3d", "a"),
        ("https://s3.eu-central-1.amazonaws.com/gen3d/a/b", "gen3d", "a/b"),
    ],
)
def test_an_address_of_s3_names_bucket_and_key(location: str, bucket: str, key: str) -> None:
    assert split_location(location) == (bucket, key)


@pytest.mark.parametrize("location", ["s3://gen3d", "s3://gen3d/", "https://example.com/a", "http://gen3d/a", ""])
def test_another_address_is_no_objects(location: str) -> None:
    with pytest.raises(ValueError, match="no object of S3"):
        split_location(location)


# What an HTTP header can hold, as it is decoded.
_VALUES = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=1100)
_NAMES = (
    *("InputLocation", "Inference-Id", "Content-Type", "Accept", "Custom-Attributes"),
    *("RequestTTLSeconds", "InvocationTimeoutSeconds"),
)
_GOOD = {
    "InputLocation": st.just("s3://gen3d/users/u/jobs/j/request.json"),
    "RequestTTLSeconds": st.integers(60, 21600).map(str),
    "InvocationTimeoutSeconds": st.integers(1, 3600).map(str),
    "Inference-Id": st.from_regex(r"\A[!-~][ -~]{0,63}\Z"),
    "Custom-Attributes": st.text(st.characters(max_codepoint=127, exclude_characters="\r\n\0"), max_size=1024),
}


@given(st.dictionaries(st.sampled_from(_NAMES), _VALUES), st.text(max_size=80))
def test_any_call_is_read_or_refused(headers: dict[str, str], endpoint: str) -> None:
    named = {f"X-Amzn-SageMaker-{name}": text for name, text in headers.items()}
    try:
        asked = read_call(endpoint, named, has_body=False)
    except RefusedError as refusal:
        asked, told = None, refusal
    if asked is None:
        assert (told.status, told.code) == (400, "ValidationError")
    else:
        assert asked.endpoint == endpoint
        assert 60 <= asked.ttl_seconds <= 21600
        assert 1 <= asked.timeout_seconds <= 3600
        assert asked.input_location == headers["InputLocation"]


@given(st.fixed_dictionaries(_GOOD), st.booleans())
def test_a_good_call_is_read_whole_whatever_the_case_of_its_headers(headers: dict[str, str], is_lower: bool) -> None:
    named = {f"X-Amzn-SageMaker-{name}": text for name, text in headers.items()}
    asked = read_call(
        "Gen3D-test", {name.lower() if is_lower else name: text for name, text in named.items()}, has_body=False
    )
    assert asked.input_location == headers["InputLocation"]
    assert asked.inference_id == headers["Inference-Id"]
    assert asked.custom_attributes == headers["Custom-Attributes"]
    assert (str(asked.ttl_seconds), str(asked.timeout_seconds)) == (
        headers["RequestTTLSeconds"],
        headers["InvocationTimeoutSeconds"],
    )
    assert (asked.content_type, asked.accept) == (None, None)
    invocation = Invocation("key", "id", 1.5, asked, Configuration("eu-central-1", "s3://gen3d/output"))
    assert Invocation.from_json(json.loads(json.dumps(invocation.as_json()))) == invocation


def test_a_call_without_limits_has_those_of_aws() -> None:
    asked = read_call("Gen3D-test", {"X-Amzn-SageMaker-InputLocation": "s3://gen3d/a"}, has_body=False)
    assert (asked.ttl_seconds, asked.timeout_seconds) == (21600, 900)
    assert asked.inference_id is None
