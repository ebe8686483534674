"""`gen3d users`: who may use a stage: invited, listed, shut out, let in, removed. Knows no Cognito."""

import argparse
import sys
from typing import TYPE_CHECKING

from gen3d.bar import Bar
from gen3d.confirm import choose, confirm
from gen3d.stage_options import add_region, add_stage, stage_of, typed
from gen3d.words import count

if TYPE_CHECKING:
    from infra.operator.users import Folder, User, Users

_EXAMPLES = """examples:
  gen3d users add ada@example.com
  gen3d users list
  gen3d users disable ada@example.com
  gen3d users remove ada@example.com --folder delete --stage local

In AWS the identity needs cloudformation:DescribeStacks, cognito-idp:AdminCreateUser, cognito-idp:AdminGetUser,
cognito-idp:ListUsers, cognito-idp:AdminDisableUser, cognito-idp:AdminEnableUser, cognito-idp:AdminDeleteUser; to remove
a user also s3:ListBucketVersions, and for the folder s3:ListBucket, s3:GetObject, s3:PutObject, s3:PutObjectTagging,
s3:DeleteObject, s3:DeleteObjectVersion.
"""
_ADD = """examples:
  gen3d users add ada@example.com
  gen3d users add ada@example.com --again

Cognito sends the mail, with a password that holds for seven days; signing in with it, one chooses one's own. The stage
local sends no mails: `gen3d mail --stage local` has the invitation.
"""
_LIST = """examples:
  gen3d users list
"""
_DISABLE = """examples:
  gen3d users disable ada@example.com

Who is signed in stays so for up to half an hour. Jobs under way go on, and nothing in the folder changes.
"""
_ENABLE = """examples:
  gen3d users enable ada@example.com
"""
_REMOVE = """examples:
  gen3d users remove ada@example.com
  gen3d users remove ada@example.com --folder keep --yes

It shows what lies in the user's folder, and asks. Deleted are all versions of all files; of a job that is still under
way a mark stays for a week, so that what comes late is removed too. Interrupted, the same command goes on. Who is
signed in can make jobs for up to half an hour still: to leave nothing, disable the user first, and remove half an hour
later.
"""
_FOLDER = ("keep", "delete")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declares the subcommand, its actions and their options."""
    parser = commands.add_parser(
        "users",
        help="invite, list, shut out and remove a stage's users",
        description="Invite, list, shut out and remove the users of a stage.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")

    action = _add_action(actions, "add", "make a user, and have a mail sent with a first password", _ADD)
    action.add_argument("--again", action="store_true", help="send who has not used the first one a new invitation")
    action.set_defaults(act=_add)

    action = _add_action(actions, "list", "list the users, with their ids", _LIST)
    action.set_defaults(act=_list)

    action = _add_action(actions, "disable", "let a user sign in no more", _DISABLE)
    action.set_defaults(act=_disable)

    action = _add_action(actions, "enable", "let a user sign in again", _ENABLE)
    action.set_defaults(act=_enable)

    action = _add_action(actions, "remove", "remove a user, and the folder if so wanted", _REMOVE)
    action.add_argument("--folder", choices=_FOLDER, help="what becomes of the folder; asked for where absent")
    action.add_argument("--yes", action="store_true", help="remove without asking; --folder is needed then")
    action.set_defaults(act=_remove, parser=action)


def _add_action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str, examples: str
) -> argparse.ArgumentParser:
    action = actions.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if name != "list":
        action.add_argument("email", metavar="EMAIL", help="the user's address")
    add_stage(action)
    add_region(action)
    action.set_defaults(run=run)
    return action


def run(arguments: argparse.Namespace) -> int:
    """Does what was asked for."""
    if arguments.act is _remove and arguments.yes and arguments.folder is None:
        arguments.parser.error("with --yes nobody is asked: say --folder keep or --folder delete")
    stage = stage_of(arguments)
    from infra.operator.users import Users

    arguments.act(Users(stage), arguments)
    return 0


def _add(users: "Users", arguments: argparse.Namespace) -> None:
    user = users.invite_again(arguments.email) if arguments.again else users.add(arguments.email)
    print(f"{user.email} is invited; the user's id is {user.sub}")


def _list(users: "Users", _: argparse.Namespace) -> None:
    found = users.all()
    width = max((len(user.email) for user in found), default=0)
    for user in found:
        print(f"{user.email:{width}}  {user.status:14}  since {user.since:%Y-%m-%d}  {user.sub}")
    if not found:
        print("there is no user yet")


def _disable(users: "Users", arguments: argparse.Namespace) -> None:
    users.disable(users.find(arguments.email))
    print(f"{arguments.email} can no longer sign in; who is signed in stays so for up to half an hour")


def _enable(users: "Users", arguments: argparse.Namespace) -> None:
    users.enable(users.find(arguments.email))
    print(f"{arguments.email} can sign in again")


def _remove(users: "Users", arguments: argparse.Namespace) -> None:
    user = users.find(arguments.email)
    folder = users.folder(user)
    print(f"{user.email} ({user.status}, since {user.since:%Y-%m-%d})")
    print(f"{folder.uri}: {_contents(folder)}")
    sys.stdout.flush()  # before the question, which goes elsewhere
    what = arguments.folder
    if what is None and folder.versions:
        what = choose("what becomes of the folder?", ("delete", "keep"))
    deleted = what == "delete" and folder.versions > 0
    confirm(f"remove {user.email} and {'delete' if deleted else 'keep'} the folder?", is_sure=arguments.yes)
    # First, so that nothing is added to what is being deleted.
    users.disable(user)
    if deleted:
        _empty(users, user, folder, arguments)
    users.remove(user)
    print(f"{user.email} is removed" + ("" if deleted or not folder.versions else f"; the folder stays: {folder.uri}"))


def _empty(users: "Users", user: "User", folder: "Folder", arguments: argparse.Namespace) -> None:
    try:
        with Bar() as bar:
            emptied = users.empty(
                user, folder, lambda done: bar.show("deleting the folder", 10 * done // len(folder.jobs) * 10)
            )
    except BaseException:
        again = typed(arguments, "users", "remove", user.email, folder="delete")
        told = f"{user.email} is disabled, and a part of the folder deleted; to go on: {again}"
        print(told, file=sys.stderr)
        raise
    print(f"{count(emptied.versions, 'version')} deleted")
    if emptied.under_way:
        marks = "a mark of it stays" if emptied.under_way == 1 else f"marks of {emptied.under_way} jobs stay"
        print(f"somebody may still write for what was under way: {marks} for a week, and what comes late is removed")


def _contents(folder: "Folder") -> str:
    from model_loader.disk import size_text

    if not folder.versions:
        return "empty"
    jobs, versions = count(len(folder.jobs), "job"), count(folder.versions, "version")
    return f"{jobs}, {size_text(folder.bytes)} in {versions} of files"
