"""What there is after a deployment: where, at what cost, what is left to do, and what of it was ever tried."""

from typing import Final

from infra.cost import prices, stages
from infra.cost.model import cold_job, each_job, idle_month
from infra.deploy.stack_steps import instance_types, sender_of
from infra.deploy.step import Deployment

# Nobody had an AWS account where this was written. What each step was tried with instead, so that whoever runs it in
# AWS first knows where to look on.
TRIED: Final = {
    "preflight": "mail, stacks and Lambdas against the local cloud; quotas against answers written by hand",
    "foundation": "against the local cloud, adoption too; without CloudFront and the policies of bucket and secret",
    "sources": "against the local cloud",
    "image": "CodeBuild: not tried, its answers were played; Docker here: built, and pushed to a local registry",
    "weights": "not tried, CodeBuild's answers were played; fetching, repacking and publishing with small files",
    "service": "against the local cloud, without the budget and without metrics",
    "endpoint": "the template against a cloud that keeps endpoints and starts none; the container by itself",
    "page": "against the local cloud, without CloudFront",
    "smoke test": "against the stage local",
    "prune": "against the local cloud",
}


def describe(deployment: Deployment) -> str:
    """The addresses, what it costs, and what is left to do."""
    outputs, stage, region = deployment.outputs, deployment.asked.stage, deployment.account.region
    where = f"--stage {stage} --region {region}"
    lines = [
        f"page and API   {outputs['PageUrl']}",
        f"bucket         s3://{outputs['BucketName']}",
        f"endpoint       {outputs['EndpointName']}, {deployment.engine} on {_types(deployment)}",
        "",
        *_costs(deployment),
        "",
        "Left to do:",
        "  - follow the link in the mail from AWS Notifications to the admin's address: until then no alarm arrives",
        f"  - follow the link in the mail from Amazon Web Services to {sender_of(deployment)}, unless SES knows it",
        f"  - let people in: gen3d users add ADDRESS {where}",
        f"  - look at it: gen3d status {where}",
    ]
    return "\n".join(lines)


def tried() -> str:
    """What of this was ever run, and where."""
    lines = [f"  {step:12}{what}" for step, what in TRIED.items()]
    return "\n".join(["None of this was ever run in AWS. Step by step, what was tried:", *lines])


def _costs(deployment: Deployment) -> list[str]:
    kind = instance_types(deployment)["InstanceType"]
    month = sum(idle_month().values())
    lines = [f"cost, idle     {month:.2f} USD a month, as long as no instance runs (prices of {prices.DATED})"]
    price = prices.INSTANCES.get(kind)
    if price is None:
        return [*lines, f"cost, a job    unknown: infra/cost/prices.py has no price of {kind}; see AWS's pricing page"]
    work = stages.work(1, stages.OBJECT.value, stages.START.value)
    alone = cold_job(work, kind) + sum(each_job(1, stages.looks(stages.START.value, 30.0)).values())
    gpu = work.gpu / 3600 * price.usd
    return [
        *lines,
        f"cost, a job    {alone:.2f} USD for one that comes alone, {gpu:.3f} on an instance that runs ({price.usd:g}"
        " USD an hour); gen3d cost says more",
    ]


def _types(deployment: Deployment) -> str:
    return ", else ".join(each for each in instance_types(deployment).values() if each)
