"""`gen3d mail`: the mails that the stage local has sent nowhere. Knows not who keeps them."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gen3d.stage_options import add_stage, job_id, need_stages
from serve.errors import Gen3DError

if TYPE_CHECKING:
    from infra.operator.mailbox import Mail

_EXAMPLES = """examples:
  gen3d mail --stage local
  gen3d mail --stage local 2
  gen3d mail --stage local --job 8204561455749-fbeae30ea5daffa3 --save out/mails

A mail has the number of its place in the order of sending. The local cloud keeps the text and the HTML of a mail, but
not the picture that is in it.
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declares the subcommand and its options."""
    parser = commands.add_parser(
        "mail",
        help="read the mails of the stage local",
        description="List the mails of the stage local, read one, or save them for a browser.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("number", nargs="?", type=int, metavar="N", help="show this one; all are listed where absent")
    add_stage(parser)
    parser.add_argument("--job", type=job_id, metavar="JOB", help="only mails about this job")
    parser.add_argument(
        "--save", type=Path, metavar="DIR", help="write what would be shown into this folder, as .eml and .html"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Lists, shows or saves."""
    if arguments.stage != "local":
        message = (
            f"The mails of the stage {arguments.stage} are with those who got them: only --stage local has a mailbox."
            f" `gen3d logs JOB --stage {arguments.stage}` says which were sent, SES's console what became of them."
        )
        raise Gen3DError("no_mailbox", message)
    need_stages()
    from infra.local.running import find_running
    from infra.operator.mailbox import read_mails

    mails = read_mails(find_running())
    if arguments.job is not None:
        mails = [mail for mail in mails if arguments.job in mail.subject + mail.text]
    if arguments.number is not None:
        mails = [mail for mail in mails if mail.number == arguments.number]
        if not mails:
            raise Gen3DError("mail_not_found", f"There is no mail {arguments.number}: without a number all are listed.")
    if arguments.save is not None:
        _save(mails, arguments.save)
    elif arguments.number is not None:
        (mail,) = mails
        print(f"From: {mail.sender}\nTo: {mail.to}\nDate: {mail.at:%Y-%m-%d %H:%M:%S}Z\nSubject: {mail.subject}\n")
        print(mail.text.rstrip())
    else:
        for mail in mails:
            print(f"{mail.number:4}  {mail.at:%Y-%m-%d %H:%M:%S}Z  {mail.to:24}  {mail.subject}")
        if not mails:
            print("there is no mail yet")
    return 0


def _save(mails: "list[Mail]", folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for mail in mails:
            for file, content in (
                (folder / f"mail-{mail.number}.eml", mail.as_message()),
                (folder / f"mail-{mail.number}.html", mail.html.encode()),
            ):
                file.write_bytes(content)
                print(file)
    except OSError as error:
        message = f"'{folder}' cannot be written ({error.strerror}): choose another with --save."
        raise Gen3DError("output_not_writable", message) from None
