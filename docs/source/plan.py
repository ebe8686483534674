"""The Implementation Plan's generated regions: the AWS CLI's listing step by step, and tables of figures.

Knows no deployment: what is written is that of the stage `prod` with all parameters at their defaults. The tables of
SageMaker's settings are those of docs/source/sagemaker.py.
"""

from collections.abc import Callable
from itertools import groupby
from typing import Any, Final

from docs.source.sagemaker import REGIONS as SAGEMAKER
from docs.source.tables import code, table
from infra.cost import prices, stages
from infra.cost.model import cold_job, idle_month
from infra.deploy.listing import blocks, listing
from infra.deploy.run import STEPS
from infra.deploy.smoke import PATIENCE_SECONDS
from infra.deploy.step import Asked
from infra.deploy.summary import TRIED
from infra.templates import Name, read_template
from model_loader.catalog import CatalogFile, bundle_files

RUN: Final = "> Run by tests/infra/deploy/test_listing.py against a local cloud."
NOT_RUN: Final = "> Needs an AWS account: no test runs this."
_ASKED: Final = Asked("prod")
# What a service is paid for that costs without jobs too, and the step after which it is there.
_PAID: Final = {
    "CloudWatch": ("alarms, metrics and the dashboard", "service"),
    "ECR": ("the images", "image"),
    "SQS": ("the Lambdas' polling of two queues", "service"),
    "Secrets Manager": ("the hub's token", "foundation"),
    "S3": ("the weights, and the sweep's listings", "weights"),
    "Lambda": ("the sweep's runs", "service"),
}


def region_of(step: str) -> str:
    """A step's region: `plan-smoke-test`."""
    return f"plan-{step.replace(' ', '-')}"


def head() -> str:
    """What the listing begins with."""
    text = listing(_ASKED, None)
    return _fenced(RUN, text[: text.index("\n# variables: ")])


def _commands(step: str) -> Callable[[], str]:
    def commands() -> str:
        found = [block for block in blocks(_ASKED, None) if block.step == step]
        return "\n\n".join(_fenced(NOT_RUN if block.not_tried else RUN, str(block)) for block in found)

    return commands


def _fenced(mark: str, commands: str) -> str:
    return f"{mark}\n```sh\n{commands.rstrip()}\n```"


def steps() -> str:
    """A row for each step: what it makes, and what gives up after how long."""
    builds, endpoint = read_template("foundation")["Resources"], read_template("endpoint")["Resources"]
    variant = endpoint["EndpointConfig"]["Properties"]["ProductionVariants"][0]
    provision = variant["VariantInstanceProvisionTimeoutInSeconds"]["Fn::If"][1] // 60
    download = variant["ModelDataDownloadTimeoutInSeconds"] // 60
    health = variant["ContainerStartupHealthCheckTimeoutInSeconds"] // 60
    made = {
        "foundation": (_resources("foundation"), ""),
        "sources": ("four zips of Lambdas and an archive of the commit, in the bucket", ""),
        "image": ("an image in ECR", _longest(builds["ImageBuild"]["Properties"])),
        "weights": ("the bundle of weights in the bucket", _longest(builds["WeightsBuild"]["Properties"])),
        "service": (_resources("service"), ""),
        "endpoint": (
            f"{_resources('endpoint')}; an instance starts",
            f"SageMaker: {provision} min without an instance, {download} min for the weights, {health} min until"
            " `/ping` says 200",
        ),
        "page": ("the page in the bucket's `PUBLIC/`", ""),
        "smoke test": (
            "a user and a job; the user is gone afterwards",
            f"`gen3d deploy`: {PATIENCE_SECONDS / 60:.0f} min; these commands wait on",
        ),
        "prune": ("nothing: what of earlier commits is in the bucket goes", ""),
    }
    return table(
        ["Step", "What comes to be", "What gives up, and when"], [[step.name, *made[step.name]] for step in STEPS]
    )


def _resources(name: Name) -> str:
    return f"the stack `Gen3D-prod-{name}`, of up to {len(read_template(name)['Resources'])} resources"


def _longest(build: dict[str, Any]) -> str:
    return f"CodeBuild: {build['TimeoutInMinutes']} min, and {build['QueuedTimeoutInMinutes']} min in its queue before"


def costs() -> str:
    """What is paid for without any job, by service, and after which step."""
    month = idle_month()
    rows = [[f"{name}: {_PAID[name][0]}", _PAID[name][1], f"{usd:.2f}"] for name, usd in month.items()]
    rows.append(["together, while no instance runs", "", f"**{sum(month.values()):.2f}**"])
    kind = str(read_template("endpoint")["Parameters"]["InstanceType"]["Default"])
    price = prices.INSTANCES[kind].usd
    alone = cold_job(stages.work(1, stages.OBJECT.value, stages.START.value), kind)
    lines = [
        table(["Paid for", "From the step", "USD a month"], rows, right=["USD a month"]),
        "",
        f"An instance ({kind}) costs {price:g} USD an hour; the step endpoint starts the first one. A job of one",
        f"object that comes alone is taken to cost {alone:.2f} USD: the start of an instance, {stages.START.value:g} s",
        f"({stages.START.source}),",
        f"the job, and the end of the instance. Prices are of {prices.DATED}",
        f"for {prices.REGION}, none of them asked of AWS; infra/cost/prices.py says where each is from. What the two",
        "builds cost is not counted: nobody has run one.",
    ]
    return "\n".join(lines)


def tried() -> str:
    """What of each step was ever run, and where."""
    return "\n".join(
        ["| Step | What was tried |", "|---|---|", *(f"| {step} | {what} |" for step, what in TRIED.items())]
    )


def weights() -> str:
    """Where the weights come from."""
    files = sorted(bundle_files("sam2"), key=lambda file: file.repository.name)
    rows = []
    for repository, group in groupby(files, key=lambda file: file.repository):
        own = list(group)
        page, gated = f"[{repository.name}]({repository.page})", "yes" if repository.gated else "no"
        revision = code(repository.revision[:12])
        rows.append([page, revision, repository.licence, gated, f"{len(own)}", f"{_gigabytes(own):.2f}"])
    rows.append(["together", "", "", "", f"{len(files)}", f"{_gigabytes(files):.2f}"])
    head = ["Repository on the hub", "Revision", "Licence", "Gated", "Files", "GB"]
    return table(head, rows, right=["Files", "GB"])


def _gigabytes(files: list[CatalogFile]) -> float:
    return sum(file.bytes or 0 for file in files) / 1e9


# A step of the listing that is no step of a deployment has its region too.
LISTED: Final = ("variables", "preflight", *(step.name for step in STEPS), "summary")
REGIONS: Final[dict[str, Callable[[], str]]] = {
    "plan-steps": steps,
    "plan-costs": costs,
    "plan-head": head,
    **{region_of(step): _commands(step) for step in LISTED},
    "plan-bundle": weights,
    **SAGEMAKER,
    "plan-tried": tried,
}
