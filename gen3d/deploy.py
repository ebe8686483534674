"""`gen3d deploy`: a stage in an AWS account, made or brought up to date. Knows no AWS."""

import argparse
import importlib.util
import os
import sys
from typing import TYPE_CHECKING, Final

from gen3d.checkout import need_checkout
from gen3d.clock import Clock
from gen3d.confirm import confirm
from gen3d.stage_options import stage_name, typed
from serve.errors import Gen3DError

if TYPE_CHECKING:
    from infra.deploy.step import Asked

_EXAMPLES: Final = """examples:
  export HF_TOKEN=hf_…     # of an account with access to the weights; needed once, for the engine sam3d
  gen3d deploy --admin-email ada@example.com --sender gen3d@example.com --region eu-central-1
  gen3d deploy --parameter MaxInstances=2 --parameter MonthlyBudget=300
  gen3d deploy --stage trial --engine preview --admin-email ada@example.com --sender gen3d@example.com
  gen3d deploy --admin-email ada@example.com --sender gen3d@example.com --print-aws-cli > deploy.sh

It first looks whether the account has what is needed, shows what would change, and asks. Whatever ends it, the same
command goes on from there; where nothing is to be done it changes nothing. What is not given stays as the stage has it.
At the end it deletes from the bucket what earlier commits needed there: zips, archives, weights.
The engine preview lets the whole road be tried without a GPU. AWS credentials, profile and region come from the
environment, as for the AWS CLI; they need an administrator's rights. A stage is that of a commit: commit first.

Nobody has run this in AWS yet: there was no account where it was written. Every run ends with a list of what was tried
with what, step by step; --print-aws-cli marks in the listing what was not.
"""
_NEEDS: Final = ("aws_lambda_powertools", "yaml")
_TYPES: Final = ("InstanceType", "SecondInstanceType", "ThirdInstanceType")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declares the subcommand and its options."""
    parser = commands.add_parser(
        "deploy",
        help="make a stage in AWS, or bring it up to date",
        description="Make a stage in AWS, or bring it up to date.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stage", type=stage_name, default="prod", metavar="NAME", help="prod where absent")
    parser.add_argument("--region", metavar="REGION", help="the AWS region; AWS_DEFAULT_REGION where absent")
    parser.add_argument("--admin-email", metavar="ADDRESS", help="who is told of trouble, and of each job's end")
    parser.add_argument("--sender", metavar="ADDRESS", help="who sends the mails; SES asks this address to confirm")
    parser.add_argument(
        "--engine",
        choices=("sam3d", "preview"),
        help="what makes the meshes; sam3d where absent, or what the stage has",
    )
    parser.add_argument(
        "--instance-types",
        type=_types,
        metavar="TYPE[,TYPE[,TYPE]]",
        help="what the endpoint runs on, and on what where AWS has none of the first",
    )
    parser.add_argument(
        "--image",
        choices=("codebuild", "local", "keep"),
        default="codebuild",
        help="who builds the image: AWS CodeBuild, which is taken where absent, or Docker on this machine; keep leaves"
        " the one that the stage has",
    )
    parser.add_argument(
        "--parameter",
        type=_parameter,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other parameter of infra/*.yaml; may be given again",
    )
    parser.add_argument("--no-smoke", action="store_true", help="send no photo through the endpoint at the end")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--print-aws-cli", action="store_true", help="print the AWS CLI's commands that do the same, and change nothing"
    )
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Deploys it; see `main` for the exit status."""
    if arguments.stage == "local":
        arguments.parser.error("the stage local is deployed by gen3d up, which runs it on this machine")
    _need_packages()
    asked = _asked(arguments)
    if arguments.print_aws_cli:
        from infra.deploy.listing import listing

        print(listing(asked, arguments.region), end="")
        return 0
    from infra.checkout import find_checkout
    from infra.deploy.account import find_account
    from infra.deploy.preflight import check, look
    from infra.deploy.run import carry_out, plan, settled_commit, skipped
    from infra.deploy.step import Deployment
    from infra.deploy.summary import describe, tried
    from infra.operator.stage import aws_errors

    checkout = find_checkout()
    commit = settled_commit(checkout)
    account = find_account(arguments.region)
    clock = Clock()
    # Which takes a while: quotas come in many pages.
    clock.tell(f"looking at the account {account.number}, region {account.region}")
    with aws_errors():
        deployment = Deployment(account, asked, checkout, commit, clock.tell, os.environ.get("HF_TOKEN"))
    deployment.check_parameters()
    findings = look(deployment)
    print("\n".join(map(str, findings)), end="\n\n")
    check(findings)
    planned = plan(deployment)
    for step, changes in planned.items():
        print(f"{step}: {'unchanged' if not changes else ''}".rstrip())
        for change in changes:
            print(f"  {change}")
    for line in skipped(deployment):
        print(line)
    if any(planned.values()):
        sys.stdout.flush()
        confirm(f"Do this in the account {account.number}, region {account.region}?", is_sure=arguments.yes)
        try:
            carry_out(deployment)
        except BaseException:
            print(f"What is done stays done. To go on: {_again(arguments, account.region)}", file=sys.stderr)
            raise
    print(f"\n{describe(deployment)}\n\n{tried()}")
    return 0


def _asked(arguments: argparse.Namespace) -> "Asked":
    from infra.deploy.step import Asked

    parameters = dict(arguments.parameter)
    if arguments.admin_email is not None:
        parameters["AdminEmail"] = arguments.admin_email
    if arguments.sender is not None:
        parameters["SenderEmail"] = arguments.sender
    if arguments.instance_types is not None:
        parameters |= dict(zip(_TYPES, (*arguments.instance_types, "", ""), strict=False))
    return Asked(arguments.stage, arguments.engine, parameters, arguments.image, not arguments.no_smoke)


def _again(arguments: argparse.Namespace, region: str) -> str:
    """The same command, wherever it is given."""
    return typed(
        arguments,
        "deploy",
        region=region,
        admin_email=arguments.admin_email,
        sender=arguments.sender,
        engine=arguments.engine,
        instance_types=",".join(arguments.instance_types or ()) or None,
        image=arguments.image if arguments.image != "codebuild" else None,
        parameter=["=".join(each) for each in arguments.parameter],
        no_smoke=arguments.no_smoke,
    )


def _types(text: str) -> tuple[str, ...]:
    types = tuple(text.split(","))
    if not 1 <= len(types) <= 3 or not all(each.startswith("ml.") for each in types):
        raise argparse.ArgumentTypeError(f"'{text}' is not one to three of SageMaker's types, such as ml.g6e.xlarge")
    return types


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isalnum():
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=VALUE")
    return name, value


def _need_packages() -> None:
    need_checkout("The templates and Lambdas are in a checkout of Gen3D: run the command there.")
    for name in _NEEDS:
        if importlib.util.find_spec(name) is None:
            message = f"gen3d deploy needs the package {name}: `make setup` in the checkout installs it."
            raise Gen3DError("package_missing", message)
