"""Results on their way to S3 and SNS: refused for a while, refused for good, interrupted."""

from typing import Any

from botocore.exceptions import EndpointConnectionError

from tests.infra.async_endpoint.play import REGION, Place

PATIENT = (0.02,) * 2000


def _absent_bucket(place: Place) -> str:
    """A bucket's name that will be made the place of answers later."""
    name = f"{place.bucket}-2"
    place.control_plane.output["S3OutputPath"] = f"s3://{name}/output"
    return name


def _make_bucket(place: Place, name: str) -> None:
    place.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})


def test_an_answer_that_s3_refuses_for_a_while_is_kept_and_stored(place: Place) -> None:
    bucket = _absent_bucket(place)
    with place.served(retry_seconds=PATIENT):
        answer = place.ask(b"a cup")
        place.wait_for_state(delivering=1, running=0)
        assert place.messages() == []
        _make_bucket(place, bucket)
        message = place.message()
    assert message["responseParameters"]["outputLocation"] == answer["OutputLocation"]
    key = answer["OutputLocation"].removeprefix(f"s3://{bucket}/")
    assert place.s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"made of a cup"
    assert len(place.model.calls) == 1


def test_an_answer_on_its_way_to_s3_does_not_keep_the_instance(place: Place) -> None:
    bucket = _absent_bucket(place)
    with place.served(retry_seconds=PATIENT):
        for _ in range(3):
            place.ask(b"a cup")
        place.wait_for_state(delivering=3)
        _make_bucket(place, bucket)
        place.wait_until_done()


def test_an_answer_that_s3_refuses_for_good_is_a_failure(place: Place) -> None:
    _absent_bucket(place)
    with place.served():
        answer = place.ask(b"a cup")
        message = place.message()
    assert message["failureReason"] == "ClientError: The answer could not be uploaded."
    assert message["topic"] == place.error_topic
    (body,) = place.results().values()
    assert list(place.results()) == [answer["FailureLocation"]]
    assert b"could not be uploaded" in body


def test_a_failure_that_s3_refuses_for_good_is_still_told(place: Place) -> None:
    place.control_plane.output["S3FailurePath"] = "s3://gen3d-nowhere/failure"
    place.model.answer = lambda _: (500, {}, b"")
    with place.served():
        place.ask(b"a cup")
        assert place.message()["invocationStatus"] == "Failed"


def test_a_message_that_sns_refuses_for_a_while_is_told_later(place: Place) -> None:
    refusals: list[str] = []

    class Refusing:
        """SNS, which refuses three times."""

        @staticmethod
        def publish(**asked: Any) -> None:
            if len(refusals) < 3:
                refusals.append(asked["Message"])
                raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
            place.sns.publish(**asked)

    with place.served(sns=Refusing(), retry_seconds=PATIENT):
        answer = place.ask(b"a cup")
        assert place.message()["inferenceId"] == answer["InferenceId"]
    assert len(refusals) == 3
    assert len(place.model.calls) == 1


def test_a_message_that_sns_refuses_for_good_does_not_cost_the_answer(place: Place) -> None:
    place.sns.delete_topic(TopicArn=place.success_topic)
    with place.served():
        answer = place.ask(b"a cup")
        place.wait_until_done()
    assert list(place.results()) == [answer["OutputLocation"]]
    assert place.messages() == []


def test_an_answer_without_a_type_is_stored_and_told_without(place: Place) -> None:
    place.model.answer = lambda _: (200, {}, b"")
    with place.served():
        answer = place.ask(b"a cup")
        assert place.message()["responseParameters"] == {"outputLocation": answer["OutputLocation"]}
    assert place.results() == {answer["OutputLocation"]: b""}


def test_large_bodies_pass_both_ways(place: Place) -> None:
    large = bytes(range(256)) * 20_000
    with place.served():
        answer = place.ask(large)
        place.wait_until_done()
    assert place.model.bodies == [large]
    assert place.results() == {answer["OutputLocation"]: b"made of " + large}


def test_nothing_stays_on_the_disk(place: Place) -> None:
    with place.served():
        place.ask(b"a cup")
        place.model.answer = lambda _: (500, {}, b"no")
        place.ask(b"a mug")
        place.wait_until_done()
    assert [path.name for path in place.folder.iterdir()] == ["queue.sqlite3"]
