"""What was lost on the way is found, ended with a reason, and told of."""

from datetime import timedelta

import pytest

from lambdas.sweep.logic import SweepError
from tests.lambdas.cloud import ADMIN
from tests.lambdas.rig import World, person, picture, text_of


def test_only_what_is_due_is_looked_at(world: World) -> None:
    due, _ = world.create(person())
    world.later(minutes=30)
    world.create(person())
    world.later(minutes=31)
    world.watch.calls.clear()
    assert world.sweep() == 1
    assert {key for _, _, key in world.watch.calls if key.startswith("users/")} <= {
        due.prefix, *(due.key(name) for name in ("request.json", "submitted.json", "outcome.json"))
    }  # fmt: skip


def test_nothing_due_costs_one_call(world: World) -> None:
    world.create(person())
    world.watch.calls.clear()
    assert world.sweep() == 0
    assert [call for _, call, _ in world.watch.calls] == ["s3:ListObjectsV2"]


def test_a_job_without_an_answer_is_lost_after_its_deadline(world: World) -> None:
    ada = person()
    job = world.submit(ada)
    world.later(hours=7)
    assert world.sweep() == 0, "SageMaker may still answer"
    world.later(minutes=11)
    assert world.sweep() == 1
    world.drain()
    assert world.outcome(job)["status"] == "lost"
    (mail,) = world.mails_to(ada.email, job)
    assert mail["Subject"] == "Your job was lost: cup.jpg"
    (to_admin,) = world.mails_to(ADMIN, job)
    assert "no_answer" in text_of(to_admin)
    assert world.keys("pending/") == []


def test_a_failure_without_notice_is_found_with_its_reason(world: World) -> None:
    job = world.submit(person())
    world.fail(reason="CUDA out of memory", lose_notice=True)
    world.later(hours=8)
    world.settle()
    assert world.outcome(job)["status"] == "failed"
    assert world.outcome(job)["error"]["message"] == "CUDA out of memory"


def test_an_upload_that_never_came_ends_the_job_and_is_nothing_to_warn_of(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    ada = person()
    job, _ = world.create(ada)
    world.later(minutes=61)
    world.settle()
    assert world.outcome(job)["error"]["code"] == "upload_missing"
    assert {record.levelname for record in caplog.records if record.name == "Gen3D-sweep"} == {"INFO"}
    assert world.api(ada, "GET", f"/api/jobs/{job.id}")[1]["status"] == "failed"


def test_an_upload_whose_event_was_lost_is_submitted(world: World) -> None:
    job, upload = world.create(person())
    world.upload(upload, picture())
    world.messages.clear()
    world.later(minutes=61)
    world.sweep()
    world.take_nudges()
    world.drain()
    assert [taken.inference_id for taken in world.invocations] == [job.id]


def test_an_outcome_whose_event_was_lost_is_told_of(world: World) -> None:
    ada = person()
    job = world.submit(ada)
    world.finish()
    world.deliver(*world.messages.pop(0))
    world.messages.clear()
    world.settle()
    assert len(world.mails_to(ada.email, job)) == 1


def test_markers_that_lead_nowhere_are_removed(world: World) -> None:
    job, _ = world.create(person())
    world.store.delete([job.key("request.json")])
    world.later(minutes=61)
    world.sweep()
    assert world.keys("pending/") == []


def test_a_stale_marker_moves_to_the_deadline(world: World) -> None:
    job = world.submit(person())
    (deadline,) = world.keys("pending/")
    world.store.put(job.marker(world.now - timedelta(minutes=5)), b"")
    world.store.delete([deadline])
    world.sweep()
    assert world.keys("pending/") == [deadline]


def test_one_job_that_cannot_be_looked_at_does_not_keep_the_others(world: World) -> None:
    broken, _ = world.create(person())
    world.later(seconds=1)
    fine, _ = world.create(person())
    world.store.put(broken.key("request.json"), b"{}", metadata={"origin": "damaged"})
    world.later(minutes=62)
    with pytest.raises(SweepError, match="1 of 2 jobs"):
        world.sweep()
    assert world.outcome(fine)["status"] == "failed"


@pytest.mark.parametrize("refusing", ["sesv2:SendEmail", "sagemaker-runtime:InvokeEndpointAsync"])
def test_whoever_refuses_is_asked_again_once_an_hour(world: World, refusing: str) -> None:
    _, upload = world.create(person())
    world.upload(upload, picture())
    if refusing == "sesv2:SendEmail":
        world.drain()
        world.finish()
        world.deliver(*world.messages.pop(0))
    world.messages.clear()
    world.watch.refuse = lambda call: call == refusing
    world.later(hours=8 if refusing == "sesv2:SendEmail" else 1.1)
    nudges = 0
    for _ in range(36):  # three hours
        world.sweep()
        world.take_nudges()
        nudges += len(world.messages)
        assert not [message for message in world.messages if world.deliver(*message)]
        world.messages.clear()
        world.later(minutes=5)
    assert nudges == 3
    world.watch.refuse = lambda _: False
    world.settle()


def test_a_sweep_ends_before_its_time_does_and_the_next_one_goes_on(world: World) -> None:
    jobs = []
    for _ in range(3):
        jobs.append(world.create(person())[0])
        world.later(seconds=1)
    world.later(minutes=61)
    times = iter([60.0, 30.0, 9.9])
    assert world.sweep(left=lambda: next(times)) == 2
    assert ["outcome.json" in world.names(job) for job in jobs] == [True, True, False]
    world.drain()
    assert world.sweep() == 1
    assert "outcome.json" in world.names(jobs[2])


def test_what_cannot_be_looked_at_makes_way_for_an_hour(world: World) -> None:
    broken, _ = world.create(person())
    world.store.put(broken.key("request.json"), b"{}", metadata={"origin": "damaged"})
    world.later(minutes=62)
    with pytest.raises(SweepError):
        world.sweep()
    assert world.sweep() == 0
    world.later(minutes=61)
    with pytest.raises(SweepError):
        world.sweep()
