"""Ended jobs become outcomes and mails."""

import json
from datetime import timedelta
from email.message import EmailMessage

import httpx
import pytest
from botocore.exceptions import ClientError

from lambdas.notify.mails import Told, user_mail
from lambdas.shared.documents import Outcome, Problem
from lambdas.shared.job_folder import Job
from tests.lambdas.cloud import ADMIN
from tests.lambdas.rig import START, World, created, failed, person, picture, text_of


def html_of(mail: EmailMessage) -> str:
    body = mail.get_body(("html",))
    assert body is not None
    return str(body.get_content())


@pytest.mark.parametrize(
    ("status", "subject"),
    [
        ("succeeded", "Your 3D preview is ready: cup.jpg"),
        ("partial", "1 of your 2 3D objects are ready: cup.jpg"),
        ("failed", "Your job failed: cup.jpg"),
    ],
)
def test_the_subject_says_what_happened(world: World, status: str, subject: str) -> None:
    ada = person()
    job = world.submit(ada, boxes=[[0, 0, 9, 9], [0, 0, 5, 5]])
    world.finish(status=status)
    world.drain()
    assert world.outcome(job)["status"] == status
    (mail,) = world.mails_to(ada.email, job)
    assert mail["Subject"] == subject


def test_a_mail_shows_the_preview_and_links_to_the_page(world: World) -> None:
    ada = person()
    job = world.submit(ada)
    world.finish()
    world.drain()
    (mail,) = world.mails_to(ada.email, job)
    html = html_of(mail)
    assert f'href="https://gen3d.example/#/jobs/{job.id}"' in html
    assert "X-Amz-" not in html, "links to files die with the session that signed them"
    (shown,) = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert shown.get_payload(decode=True) == picture("PNG")
    assert f"cid:{str(shown['Content-ID']).strip('<>')}" in html
    assert "inflated outlines" in html, "a preview is called one"


def test_the_server_of_mails_takes_them(world: World) -> None:
    ada = person("lovelace")
    job = world.submit(ada)
    world.finish()
    world.drain()
    kept = httpx.get(f"{world.cloud.endpoint}/_ministack/ses/messages").text
    assert ada.email in kept
    assert job.id in kept


def test_a_name_is_text_in_a_mail(world: World) -> None:
    ada = person()
    job = world.submit(ada)
    name = '<script>alert(1)</script> "Tässe" & ☕'
    world.api(ada, "PUT", f"/api/jobs/{job.id}/label", {"label": name})
    reason = '{"error": {"code": "out_of_memory", "message": "<b>no</b> memory", "details": {}}}'
    world.fail(reason=reason)
    world.drain()
    (mail,) = world.mails_to(ada.email, job)
    assert mail["Subject"] == f"Your job failed: {name}"
    assert "<b>no</b> memory" in text_of(mail)
    assert "&lt;b&gt;no&lt;/b&gt; memory" in html_of(mail)


def test_no_line_break_gets_into_a_header() -> None:
    job = Job(person().sub, "8204571999999-caad050fadaa69d8")
    told = Told(job, "a\r\nBcc: all@example.com", Outcome("failed", START, error=Problem("x", "y")), None)
    mail = user_mail(told, sender="gen3d@example.com", to="ada@example.com", page_url="https://gen3d.example/")
    assert mail["Bcc"] is None
    assert mail["Subject"] == "Your job failed: a Bcc: all@example.com"


@pytest.mark.parametrize(
    ("reason", "code", "message"),
    [
        ("Model container died", "inference_failed", "Model container died"),
        ("", "inference_failed", "SageMaker gave no reason."),
        (
            'Received client error (422) from primary with message "{"error": {"code": "image_truncated", "message": '
            '"The JPEG file ends too early.", "details": {}}}". See https://example.com in account 1 for more.',
            "image_truncated",
            "The JPEG file ends too early.",
        ),
        (
            'Received server error (500) with message "{\\"error\\": {\\"code\\": \\"internal_error\\", \\"message\\":'
            ' \\"A defect.\\"}}"',
            "internal_error",
            "A defect.",
        ),
    ],
)
def test_the_containers_own_error_is_found_in_sagemakers(world: World, reason: str, code: str, message: str) -> None:
    ada = person()
    job = world.submit(ada)
    world.fail(reason=reason)
    world.drain()
    assert world.outcome(job)["error"] == {"code": code, "message": message}
    (to_admin,) = world.mails_to(ADMIN, job)
    assert message in text_of(to_admin)
    assert f"https://logs.example/?job={job.id}" in text_of(to_admin)


def test_the_containers_own_error_is_found_where_sagemaker_has_left_it(world: World) -> None:
    job = world.submit(person())
    own = {"error": {"code": "image_truncated", "message": "The JPEG file ends too early.", "details": {}}}
    world.fail(reason="The container said no. See its log.", left=json.dumps(own))
    world.drain()
    assert world.outcome(job)["error"] == {"code": "image_truncated", "message": "The JPEG file ends too early."}


def test_repeated_and_late_events_change_nothing(world: World) -> None:
    ada = person()
    job = world.submit(ada)
    world.finish()
    answer = world.messages[0]
    world.drain()
    before = world.outcome(job)
    late = failed(world.invocations[0], "too late")
    for name, body in [answer, ("notify", late), ("notify", created(world.bucket, job.key("outcome.json"))), answer]:
        assert world.deliver(name, body)
    assert world.outcome(job) == before
    assert len(world.mails_to(ada.email, job)) == len(world.mails_to(ADMIN, job)) == 1


def test_while_ses_refuses_the_message_comes_again_for_what_is_missing(world: World) -> None:
    ada = person()
    job = world.submit(ada)
    world.finish()
    world.deliver(*world.messages.pop(0))
    name, body = world.messages.pop()
    count = 0

    def refuse_the_second(call: str) -> bool:
        nonlocal count
        count += call == "sesv2:SendEmail"
        return call == "sesv2:SendEmail" and count == 2

    world.watch.refuse = refuse_the_second
    assert not world.deliver(name, body)
    assert world.deliver(name, body)
    assert len(world.mails_to(ada.email, job)) == len(world.mails_to(ADMIN, job)) == 1


def test_a_mail_that_is_refused_for_days_is_given_up_and_counted(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    job = world.submit(person())
    world.finish()
    world.deliver(*world.messages.pop(0))
    world.messages.clear()
    world.watch.refuse = lambda call: call == "sesv2:SendEmail"
    for _ in range(5):
        world.later(days=1)
        world.sweep()
        world.take_nudges()
        assert not [message for message in world.messages if world.deliver(*message)]
        world.messages.clear()
    assert world.keys("pending/") == []
    assert "MailsGivenUp" in capsys.readouterr().out
    assert world.outcome(job)["status"] == "succeeded"


@pytest.mark.parametrize(
    "answer", [b"", b"{}", b"[]", b'{"output_uri": "s3://elsewhere/users/x/jobs/y/output/", "job_id": "y"}']
)
def test_an_answer_that_is_no_manifest_is_left_to_the_sweep(world: World, answer: bytes) -> None:
    ada = person()
    job = world.submit(ada)
    taken = world.invocations[0]
    world.cloud.s3.put_object(Bucket=world.bucket, Key=taken.output_key, Body=answer)
    assert world.deliver("notify", created(world.bucket, taken.output_key))
    assert "outcome.json" not in world.names(job)
    world.later(hours=8)
    world.settle()
    assert world.outcome(job)["error"]["code"] == "result_unreadable"
    assert len(world.mails_to(ada.email, job)) == 1


def test_an_answer_cannot_end_anothers_job(world: World) -> None:
    ada, eve = person(), person("eve")
    hers, his = world.submit(ada), world.submit(eve)
    world.finish()
    taken = world.invocations[-1]
    stored = world.store.get(taken.output_key)
    assert stored is not None
    manifest = json.loads(stored.data)
    manifest["output_uri"] = f"s3://{world.bucket}/{hers.key('output/')}"  # but the job_id is his
    world.store.put(taken.output_key, json.dumps(manifest).encode())
    world.drain()
    assert "outcome.json" not in world.names(hers)
    assert "outcome.json" not in world.names(his)


def test_a_mail_that_ses_will_never_take_is_given_up_at_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """As one to an unverified address, while SES is in its sandbox."""
    ada = person()
    job = world.submit(ada)
    world.finish()
    world.deliver(*world.messages.pop(0))
    asked = 0

    def refuse_the_second(call: str) -> bool:
        nonlocal asked
        asked += call == "sesv2:SendEmail"
        return call == "sesv2:SendEmail" and asked == 2

    world.watch.refuse, world.watch.refusal = refuse_the_second, "MessageRejected"
    world.drain()
    assert [len(world.mails_to(address, job)) for address in (ada.email, ADMIN)] == [0, 1]
    assert "MailsGivenUp" in capsys.readouterr().out
    stored = world.store.get(job.key("mail-user.json"))
    assert stored is not None
    assert "MessageRejected" in json.loads(stored.data)["result"]["rejected"]
    assert world.keys("pending/") == []
    world.later(hours=8)
    world.settle()
    assert asked == 2


def test_what_a_user_has_stopped_is_no_news_to_the_admin(world: World) -> None:
    ada = person()
    job = world.submit(ada)
    world.api(ada, "POST", f"/api/jobs/{job.id}/cancel")
    world.drain()
    assert [len(world.mails_to(address, job)) for address in (ada.email, ADMIN)] == [1, 0]
    assert world.keys("pending/") == []


def test_the_admin_gets_no_link_to_anothers_page(world: World) -> None:
    job = world.submit(person())
    world.finish()
    world.drain()
    (mail,) = world.mails_to(ADMIN, job)
    assert "gen3d.example" not in text_of(mail)
    assert "gen3d.example" not in html_of(mail)


@pytest.mark.parametrize(
    "reason",
    ["it said \ud800", '{"error": {"code": "internal_error", "message": "it said \\ud800"}}'],
)
def test_a_reason_that_no_mail_can_be_encoded_with_is_told_without_it(world: World, reason: str) -> None:
    ada = person()
    job = world.submit(ada)
    assert world.deliver("notify", failed(world.invocations[0], reason))
    world.drain()
    assert world.outcome(job)["error"]["message"] == "it said ?"
    assert len(world.mails_to(ada.email, job)) == 1


def test_of_two_refusals_the_one_that_is_no_waiting_is_raised(world: World) -> None:
    job = world.submit(person())
    world.finish()
    world.deliver(*world.messages.pop(0))
    begun = {"state": "begun", "by": "another", "until": (world.now + timedelta(seconds=60)).isoformat()}
    world.store.put(job.key("mail-admin.json"), json.dumps(begun).encode())
    world.watch.refuse = lambda call: call == "sesv2:SendEmail"
    with world.working("notify") as handler, pytest.raises(ClientError):
        handler.service().tell(job)


def test_a_tombstone_wins_over_a_later_answer(world: World) -> None:
    ada = person()
    job = world.submit(ada)
    world.store.put(job.key("cancelled.json"), b"{}")
    assert world.api(ada, "GET", f"/api/jobs/{job.id}")[1]["status"] == "cancelled"
    world.finish()
    world.drain()
    assert world.outcome(job)["status"] == "cancelled"


def test_what_the_notebook_asked_is_nobodys_job_and_no_error(world: World, caplog: pytest.LogCaptureFixture) -> None:
    folder = f"s3://{world.bucket}/users/notebook/0f3a/"
    asked = {
        "job_id": "0f3a",
        "image_uri": f"{folder}photo.jpg",
        "output_uri": f"{folder}output/",
        "boxes": [[0, 0, 9, 9]],
    }
    world.store.client.put_object(Bucket=world.bucket, Key="users/notebook/0f3a/request.json", Body=json.dumps(asked))
    for end in (world.finish, world.fail):
        world.invoked("0f3a", f"{folder}request.json")
        end()
        world.drain()
    told = [(record.levelname, record.message) for record in caplog.records if record.name == "Gen3D-notify"]
    assert told == [("INFO", "an answer to the notebook"), ("INFO", "a request of the notebook has failed")]
    assert not world.keys("users/notebook/0f3a/outcome.json")
