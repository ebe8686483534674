"""`gen3d destroy`: a stage in an AWS account, taken down, and looked whether it is gone. Knows no AWS."""

import argparse
import sys
from typing import TYPE_CHECKING, Final

from gen3d.checkout import need_checkout
from gen3d.clock import Clock
from gen3d.stage_options import add_region, stage_name, typed
from gen3d.words import count
from serve.errors import Gen3DError

if TYPE_CHECKING:
    from infra.deploy.account import Account
    from infra.destroy.data import Bucket, Pool
    from infra.destroy.destruction import Plan

_EXAMPLES: Final = """examples:
  gen3d destroy --stage trial --region eu-central-1
  gen3d destroy --stage trial --delete-data
  gen3d destroy --stage trial --delete-data --yes

It shows what goes and what stays, and asks. The bucket (photos, meshes, weights) and the user pool stay, and `gen3d
deploy` of the same stage finds them again; --delete-data has them go too, for good, with all old versions. Logs go with
the stacks that they are of. Whatever ends it, the same command goes on from there; at the end it looks by
listing whether anything is left that is called after the stage, and then exits with 1.

AWS credentials, profile and region come from the environment, as for the AWS CLI; they need an administrator's rights.
Nobody has run this in AWS yet: there was no account where it was written.
"""
_PARTS: Final = {
    "endpoint": "the endpoint, its instances and its scaling",
    "service": "the Lambdas, the API's routes, the mail's settings, alarms, dashboard, budget, and the Lambdas' logs",
    "foundation": "the page's address, the API, the queues, images and builds, the hub's token, and the other logs",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declares the subcommand and its options."""
    parser = commands.add_parser(
        "destroy",
        help="take a stage in AWS down",
        description="Take a stage in AWS down, and look whether it is gone.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stage", type=stage_name, metavar="NAME", help="prod where absent; with --yes it is needed")
    add_region(parser)
    parser.add_argument(
        "--delete-data", action="store_true", help="delete the bucket with all in it and the users too, for good"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Shows, asks, deletes, and looks again; 1 where something is left."""
    if arguments.stage is None:
        if arguments.yes:
            arguments.parser.error("--yes asks nobody, so it wants to be told which stage goes: --stage NAME")
        arguments.stage = "prod"
    if arguments.stage == "local":
        arguments.parser.error("the stage local ends with Ctrl-C where gen3d up runs; --keep's folder is all it leaves")
    need_checkout("Stages are taken down from a checkout of Gen3D: run the command there.")
    from infra.deploy.account import find_account
    from infra.destroy.destruction import destroy, plan

    account = find_account(arguments.region)
    planned = plan(account, arguments.stage)
    where = f"the account {account.number}, region {account.region}"
    if not planned.inventory.things:
        print(
            f"nothing in {where} is called after a stage {arguments.stage}: is it another region, or another account?"
        )
        _say_unseen(planned.inventory.unseen)
        return 0
    print(f"the stage {arguments.stage} in {where}\n")
    clock = Clock()
    if planned.stacks or (arguments.delete_data and planned.data):
        _show(planned, with_data=arguments.delete_data)
        _ask(arguments.stage, is_sure=arguments.yes)
        clock = Clock()  # without the time that the answer took
        try:
            destroy(account, planned, with_data=arguments.delete_data, tell=clock.tell)
        except BaseException:
            print(f"What is gone stays gone. To go on: {_again(arguments, account.region)}", file=sys.stderr)
            raise
        print()
    return _say_what_is_left(account, arguments, planned, clock)


def _show(planned: "Plan", *, with_data: bool) -> None:
    from infra.destroy.inventory import NOTEBOOK

    if planned.stacks:
        print("goes:")
    for stack in planned.stacks:
        resources = count(stack.resources, "resource")
        print(f"  {stack.name} ({stack.status}, {resources}): {_PARTS[stack.part]}")
        if stack.sender:
            print(f"  {stack.sender}, whom SES knows by it: other stages can no longer send mails as that")
    for notebook in planned.inventory.names(NOTEBOOK):
        print(f"  what lies on the disk of the notebook {notebook}")
    bucket, pools = planned.data.bucket, planned.data.pools
    if bucket is not None and bucket.pending and planned.stacks:
        # A job that was deleted leaves its marker until its deadline.
        print(f"  the work on at most {count(bucket.pending, 'job')} under way: nobody will end them")
    if planned.data:
        print("goes, for good:" if with_data else "stays:")
    if bucket is not None:
        print(f"  bucket {bucket.name}: {_contents(bucket)}" + ("" if with_data else f"; {_cost(bucket)}"))
    for pool in pools:
        print(f"  user pool {pool.id}: {_users(pool)}")
    print()
    sys.stdout.flush()


def _ask(stage: str, *, is_sure: bool) -> None:
    """Returns where the stage's name is typed.

    Raises:
        Gen3DError: `not_confirmed`.
    """
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise Gen3DError("not_confirmed", "Nobody is here to be asked, so nothing was changed: see --yes in --help.")
    print(f"To do this, type the stage's name ({stage}): ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != stage:
        raise Gen3DError("not_confirmed", "Nothing was changed.")


def _say_what_is_left(account: "Account", arguments: argparse.Namespace, planned: "Plan", clock: Clock) -> int:
    from infra.destroy.destruction import look_again

    remains = look_again(account, arguments.stage, planned, with_data=arguments.delete_data, tell=clock.tell)
    for thing in remains.gone:
        print(f"gone  {thing}")
    said = {pool.id: _users(pool) for pool in planned.data.pools}
    if planned.data.bucket is not None:
        said[planned.data.bucket.name] = f"{_contents(planned.data.bucket)}; {_cost(planned.data.bucket)}"
    for thing in remains.kept:
        print(f"kept  {thing}: {said[thing.name]}")
    if remains.kept:
        print("\n`gen3d deploy` of the same stage finds it again, users their jobs. To delete it for good:")
        print(f"  {_again(arguments, account.region, delete_data=True)}")
    for thing in remains.left:
        print(f"LEFT  {thing}")
    _say_unseen(remains.unseen)
    if remains.left:
        print(
            f"\n{count(len(remains.left), 'thing')} should be gone and may cost: no stack of the stage has them any"
            " more. Look whose they are, and delete them by hand.",
            file=sys.stderr,
        )
        return 1
    if not remains.kept:
        print(f"\nnothing is left that is called after the stage {arguments.stage}")
    return 0


def _say_unseen(kinds: tuple[str, ...]) -> None:
    if kinds:
        print(f"not looked for, because this cloud has no such service: {', '.join(kinds)}")


def _again(arguments: argparse.Namespace, region: str, *, delete_data: bool = False) -> str:
    """The same command, wherever it is given."""
    return typed(arguments, "destroy", region=region, delete_data=delete_data or arguments.delete_data)


def _contents(bucket: "Bucket") -> str:
    from model_loader.disk import size_text

    if not bucket.versions:
        return "empty"
    least = "" if bucket.is_all else "more than "
    return f"{least}{size_text(bucket.bytes)} in {least}{count(bucket.versions, 'version')} of files"


def _cost(bucket: "Bucket") -> str:
    from infra.cost.prices import DATED, REGION, S3_GB_MONTH

    usd = bucket.bytes / 1e9 * S3_GB_MONTH.usd
    least = "about" if bucket.is_all else "more than"
    return f"{least} {usd:.2f} USD a month, at the {S3_GB_MONTH.usd} USD a GB of {REGION} as of {DATED}"


def _users(pool: "Pool") -> str:
    return f"about {count(pool.users, 'user')}" if pool.users else "no users"
