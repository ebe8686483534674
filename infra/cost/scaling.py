"""How the endpoint's instances come and go, read from the templates. Knows neither time nor money."""

import re
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Final

from infra.templates import read_template
from lambdas.extract.settings import ExtractSettings

# How AWS makes alarms of a target: these many samples in a row, one a minute, above the target to add instances, or
# below this share of it to take them away. In no template; AWS's documentation shows alarms made so, and says that a
# policy acts each minute as long as its alarm goes on. Remembered, not verified.
SAMPLES_ABOVE: Final = 3
SAMPLES_BELOW: Final = 15
SHARE_BELOW: Final = 0.9
SAMPLE_SECONDS: Final = 60.0

_TYPES: Final = ("InstanceType", "SecondInstanceType", "ThirdInstanceType")


@dataclass(frozen=True)
class Scaling:
    """The rules that instances come and go by.

    Attributes:
        least: How many instances there are at least.
        most: How many there may be.
        concurrency: How many jobs an instance is given at a time.
        target: How many jobs may wait or be worked on for each instance before there is another.
        out_cooldown: Seconds between the end of one scale-out by the target and the next.
        in_cooldown: The same for scale-ins.
        wake_step: How many instances are added where a job waits and there is none.
        wake_samples: For how many samples in a row that must be so.
        wake_cooldown: Seconds between the end of one such scale-out and the next.
        ttl: Seconds after which SageMaker gives up a job that waits.
        timeout: Seconds that the container may work on a job.
        idle_minutes: Instances go after so many minutes without any job, instead of by the target; None for the
            template's way.
    """

    least: int
    most: int
    concurrency: int
    target: float
    out_cooldown: float
    in_cooldown: float
    wake_step: int
    wake_samples: int
    wake_cooldown: float
    ttl: float
    timeout: float
    idle_minutes: int | None = None


@cache
def read_scaling() -> Scaling:
    """The rules of infra/endpoint.yaml at its parameters' defaults, and the limits that the Lambda extract asks for.

    Raises:
        ValueError: The template scales in a way that the simulation does not play.
    """
    template = read_template("endpoint")
    resources = template["Resources"]
    policies = [name for name, body in resources.items() if body["Type"].endswith("::ScalingPolicy")]
    if policies != ["ScaleByBacklog", "WakeUp"]:
        raise ValueError(f"endpoint.yaml has other scaling policies than the simulation plays: {policies}")
    target = _properties(template, "ScalableTarget")
    track = _properties(template, "ScaleByBacklog")["TargetTrackingScalingPolicyConfiguration"]
    step = _properties(template, "WakeUp")["StepScalingPolicyConfiguration"]
    alarm = _properties(template, "WakeUpAlarm")
    played = {
        "the metric": (track["CustomizedMetricSpecification"]["MetricName"], "ApproximateBacklogSizePerInstance"),
        "its statistic": (track["CustomizedMetricSpecification"]["Statistic"], "Average"),
        "the alarm's metric": (alarm["MetricName"], "HasBacklogWithoutCapacity"),
        "its period": (alarm["Period"], SAMPLE_SECONDS),
        "its threshold": (alarm["Threshold"], 1),
        "its comparison": (alarm["ComparisonOperator"], "GreaterThanOrEqualToThreshold"),
        "the adjustment": (step["AdjustmentType"], "ChangeInCapacity"),
        "the steps": (len(step["StepAdjustments"]), 1),
    }
    if other := [f"{what} is {found}" for what, (found, wanted) in played.items() if found != wanted]:
        raise ValueError(f"endpoint.yaml scales in another way than the simulation plays: {', '.join(other)}")
    return Scaling(
        least=target["MinCapacity"],
        most=target["MaxCapacity"],
        concurrency=_properties(template, "EndpointConfig")["AsyncInferenceConfig"]["ClientConfig"][
            "MaxConcurrentInvocationsPerInstance"
        ],
        target=track["TargetValue"],
        out_cooldown=track["ScaleOutCooldown"],
        in_cooldown=track["ScaleInCooldown"],
        wake_step=step["StepAdjustments"][0]["ScalingAdjustment"],
        wake_samples=alarm["EvaluationPeriods"],
        wake_cooldown=step["Cooldown"],
        ttl=_default("request_ttl_seconds"),
        timeout=_default("invocation_timeout_seconds"),
    )


@cache
def instance_types() -> tuple[str, ...]:
    """The instance types that the template tries, in this order."""
    parameters = read_template("endpoint")["Parameters"]
    return tuple(parameters[name]["Default"] for name in _TYPES)


@cache
def most_instances() -> int:
    """How many instances the template lets there be, whatever is asked for."""
    return int(read_template("endpoint")["Parameters"]["MaxInstances"]["MaxValue"])


@cache
def count_alarms() -> int:
    """How many alarms the templates have, with the two that AWS makes of the target."""
    bodies = [body for name in ("endpoint", "service") for body in read_template(name)["Resources"].values()]
    return len([body for body in bodies if body["Type"] == "AWS::CloudWatch::Alarm"]) + 2


@cache
def sweeps_an_hour() -> float:
    """How often an hour the sweep runs."""
    said = str(read_template("service")["Resources"]["SweepSchedule"]["Properties"]["ScheduleExpression"])
    found = re.fullmatch(r"rate\((\d+) minutes\)", said)
    if found is None:
        raise ValueError(f"service.yaml's sweep has a schedule that is not read here: {said}")
    return 60 / int(found[1])


@cache
def lambda_gigabytes(name: str) -> float:
    """The memory of one of the service's Lambdas: `Jobs`, `Extract`, `Notify`, `Sweep`."""
    return float(read_template("service")["Resources"][name]["Properties"]["MemorySize"]) / 1024


def _properties(template: dict[str, Any], name: str) -> dict[str, Any]:
    """A resource's properties, with the defaults of the parameters they refer to."""
    return dict(_resolve(template["Resources"][name]["Properties"], template["Parameters"]))


def _resolve(node: Any, parameters: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_resolve(item, parameters) for item in node]
    if not isinstance(node, dict):
        return node
    if set(node) == {"Ref"} and node["Ref"] in parameters:
        return parameters[node["Ref"]].get("Default")
    return {key: _resolve(value, parameters) for key, value in node.items()}


def _default(name: str) -> float:
    return float(next(one.default for one in fields(ExtractSettings) if one.name == name))  # type: ignore[arg-type]
