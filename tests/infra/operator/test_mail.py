"""`gen3d mail`, as somebody types it."""

import re
from collections.abc import Callable
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from infra.local.stage import User
from infra.operator.mailbox import text_of
from tests.infra.local.visitors import wait_until
from tests.infra.operator.conftest import CUP, Told
from tests.infra.operator.test_submit import job_in

Command = Callable[..., Told]


@pytest.fixture
def sent(submit: Command, gen3d: Command, demo: User) -> tuple[str, str]:
    """A job whose mails were sent, and the number of its owner's."""
    job = job_in(submit("--box", CUP, "--name", "A cup")[2])

    def listed() -> list[str]:
        return gen3d("mail", "--stage", "local", "--job", job)[1].splitlines()

    wait_until(lambda: len(listed()) == 2)
    (number,) = (line.split()[0] for line in listed() if demo.email in line)
    return job, number


def test_mails_are_listed_and_read(gen3d: Command, sent: tuple[str, str], demo: User) -> None:
    job, number = sent
    (listed,) = [line for line in gen3d("mail", "--stage", "local")[1].splitlines() if demo.email in line]
    assert listed.split()[0] == number
    assert listed.endswith("Your 3D preview is ready: A cup")
    status, out, _ = gen3d("mail", "--stage", "local", number)
    assert status == 0
    assert out.splitlines()[1] == f"To: {demo.email}"
    assert f"#/jobs/{job}" in out


def test_an_invitation_which_is_html_alone_is_read_as_text(gen3d: Command, users: Command, email: str) -> None:
    users("add", email)
    (number,) = [line.split()[0] for line in gen3d("mail", "--stage", "local")[1].splitlines() if email in line]
    _, out, _ = gen3d("mail", "--stage", "local", number)
    _, _, said = out.partition("\n\n")
    assert re.fullmatch(r"Sign in to Gen3D at (http://\S+/) as \S+ with the password \S+, and .* seven days\.\n", said)


def test_html_is_told_line_by_line_with_its_links() -> None:
    html = '<head><style>p {}</style></head><p>Your&nbsp;<b>mesh</b>\nis <a href="https://a/b">here</a>.</p><ul><li>one<li>two</ul>'
    assert text_of(html) == "Your mesh is here <https://a/b>.\none\ntwo"


def test_mails_are_saved_for_a_browser_and_for_mail_programs(
    gen3d: Command, sent: tuple[str, str], demo: User, tmp_path: Path
) -> None:
    job, number = sent
    status, out, _ = gen3d("mail", "--stage", "local", "--job", job, "--save", "mails")
    assert status == 0
    assert len(out.splitlines()) == len(list(Path("mails").iterdir())) == 4
    message = message_from_bytes(Path(f"mails/mail-{number}.eml").read_bytes(), policy=policy.default)
    assert (message["To"], message["Subject"]) == (demo.email, "Your 3D preview is ready: A cup")
    assert f"#/jobs/{job}" in Path(f"mails/mail-{number}.html").read_text()


def test_a_folder_that_cannot_be_written_is_one_line(gen3d: Command) -> None:
    Path("file").touch()
    status, _, err = gen3d("mail", "--stage", "local", "--save", "file")
    assert status == 1
    assert err.startswith("gen3d: output_not_writable: ")


def test_a_mail_that_is_not_there_is_one_line(gen3d: Command) -> None:
    status, _, err = gen3d("mail", "--stage", "local", "9999")
    assert status == 1
    assert err.startswith("gen3d: mail_not_found: There is no mail 9999")


def test_no_mails_of_a_job_are_none(gen3d: Command) -> None:
    told = gen3d("mail", "--stage", "local", "--job", "8204561455749-fbeae30ea5daffa3")
    assert told == (0, "there is no mail yet\n", "")


def test_a_stage_in_aws_has_no_mailbox(gen3d: Command) -> None:
    status, _, err = gen3d("mail", "--stage", "prod")
    assert status == 1
    assert err.startswith("gen3d: no_mailbox: ")
    assert "only --stage local has a mailbox" in err
    assert err.count("\n") == 1
