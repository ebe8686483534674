"""Tables of what the templates hold, but for the resources as such, which resources.py has."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from typing import Any, Final

from docs.source.tables import code, table
from infra.templates import NAMES, Name, read_template
from lambdas.extract.settings import ExtractSettings
from lambdas.jobs.settings import JobsSettings
from lambdas.notify.settings import NotifySettings
from lambdas.sweep.settings import SweepSettings

LAMBDAS: Final = {"Jobs": JobsSettings, "Extract": ExtractSettings, "Notify": NotifySettings, "Sweep": SweepSettings}
_CALLED_BY: Final = {
    "Jobs": "every call below `/api/`",
    "Extract": "the queue `Gen3D-STAGE-ImageUploaded`",
    "Notify": "the queue `Gen3D-STAGE-JobFinished`",
    "Sweep": "the schedule `Gen3D-STAGE-sweep`",
}
# What stands in names for what is another everywhere.
_PLACEHOLDERS: Final = {
    "AWS::AccountId": "ACCOUNT",
    "AWS::Partition": "aws",
    "AWS::Region": "REGION",
    "Bucket.Arn": "BUCKET",
    "BucketName": "BUCKET",
    "ContentHash": "HASH",
    "Stage": "STAGE",
}


def shown(value: Any) -> str:
    """A value in words: `Gen3D-STAGE-jobs`. What only CloudFormation knows has its name there, as in `{Jobs}x`."""
    if not isinstance(value, dict):
        return str(value)
    ((function, content),) = value.items()
    if function == "Ref":
        return _PLACEHOLDERS.get(content) or str(content)
    if function == "Fn::GetAtt":
        return _PLACEHOLDERS.get(".".join(content), ".".join(content))
    if function == "Fn::If":
        return shown(content[1])
    if function == "Fn::Sub":
        text, given = content if isinstance(content, list) else (content, {})
        for name, word in {**_PLACEHOLDERS, **{name: shown(inner) for name, inner in given.items()}}.items():
            text = text.replace(f"${{{name}}}", word)
        return str(text).replace("${", "{")
    if function == "Fn::Split":
        return shown(content[1])
    if function == "Fn::Join":
        return str(content[0]).join(map(shown, content[1])) if isinstance(content[1], list) else shown(content[1])
    return str(function)


def parameters(template: Name) -> str:
    """A row for each parameter."""

    def rows() -> Iterator[list[str]]:
        for name, parameter in read_template(template)["Parameters"].items():
            default = code(parameter["Default"]) or "nothing" if "Default" in parameter else "must be given"
            yield [code(name), default, _bounds(parameter), parameter["Description"]]

    return table(["Parameter", "Default", "May be", "Meaning"], rows())


def _bounds(parameter: dict[str, Any]) -> str:
    if "ConstraintDescription" in parameter:
        return str(parameter["ConstraintDescription"])
    if "AllowedValues" in parameter:
        return ", ".join(code(value) for value in parameter["AllowedValues"])
    if "MinValue" in parameter:
        return f"{parameter['MinValue']:,} " + (
            f"to {parameter['MaxValue']:,}" if "MaxValue" in parameter else "or more"
        )
    return ""


def outputs(template: Name) -> str:
    """A row for each output."""
    found = read_template(template)["Outputs"]
    return table(["Output", "What it is"], [[code(name), output["Description"]] for name, output in found.items()])


def lambdas() -> str:
    """A row for each Lambda."""
    resources = read_template("service")["Resources"]

    def rows() -> Iterator[list[object]]:
        for name in LAMBDAS:
            properties = resources[name]["Properties"]
            mapping = resources.get(f"{name}Mapping", {"Properties": {}})["Properties"]
            most = mapping.get("ScalingConfig", {}).get("MaximumConcurrency", "")
            yield [
                code(shown(properties["FunctionName"])),
                _CALLED_BY[name],
                resources[f"{name}Role"]["Properties"]["Description"],
                f"{properties['MemorySize']} MB",
                f"{properties['Timeout']} s",
                mapping.get("BatchSize", ""),
                most,
            ]

    head = ["Lambda", "Called by", "What it does", "Memory", "Timeout", "Messages a call", "At most at once"]
    return table(head, rows(), right=head[3:])


def lambda_settings() -> str:
    """A row for each variable of each Lambda."""

    def rows() -> Iterator[list[str]]:
        resources = read_template("service")["Resources"]
        for name, settings in LAMBDAS.items():
            given = resources[name]["Properties"]["Environment"]["Variables"]
            for field in fields(settings):
                variable = f"GEN3D_{field.name.upper()}"
                if variable in given:
                    value = code(shown(given[variable]))
                else:
                    value = f"{code(field.default)} (not in the template)" if field.default else "nothing"
                yield [name.lower(), code(variable), value, field.metadata["rule"].about]

    return table(["Lambda", "Variable", "Set to", "Meaning"], rows())


def alarms() -> str:
    """A row for each alarm."""

    def rows() -> Iterator[list[str]]:
        for name in NAMES:
            for resource in read_template(name)["Resources"].values():
                if resource["Type"] == "AWS::CloudWatch::Alarm":
                    alarm = resource["Properties"]
                    told = "scaling" if name == "endpoint" else "the admin, by `Gen3D-STAGE-Admin`"
                    yield [code(shown(alarm["AlarmName"])), _when(alarm), told, alarm["AlarmDescription"]]

    return table(["Alarm", "When", "Tells", "What it says"], rows())


def _when(alarm: dict[str, Any]) -> str:
    statistics = {"Average": "average ", "Maximum": "largest ", "SampleCount": "samples of ", "Sum": "sum of "}
    signs = {"GreaterThanOrEqualToThreshold": "≥", "GreaterThanThreshold": ">", "LessThanThreshold": "<"}
    metric = alarm.get("MetricName", "")
    if "Metrics" in alarm:
        (asked,) = [one for one in alarm["Metrics"] if one.get("ReturnData", True)]
        metric = asked.get("Expression") or asked["MetricStat"]["Metric"]["MetricName"]
    period = alarm.get("Period")
    times = shown(alarm["EvaluationPeriods"])
    for_long = "" if period is None else f" for {times} × {period} s"
    of = statistics[alarm["Statistic"]] if "Statistic" in alarm else ""
    return f"{of}{code(metric)} {signs[alarm['ComparisonOperator']]} {shown(alarm['Threshold'])}{for_long}"


def roles() -> str:
    """A row for each statement of each role."""

    def rows() -> Iterator[list[str]]:
        for template in NAMES:
            for resource in read_template(template)["Resources"].values():
                if resource["Type"] != "AWS::IAM::Role":
                    continue
                name = code(shown(resource["Properties"]["RoleName"]))
                (trusted,) = resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
                by = code(trusted["Principal"]["Service"])
                for policy in resource["Properties"]["Policies"]:
                    for statement in policy["PolicyDocument"]["Statement"]:
                        actions, where = _listed(statement["Action"]), _listed(statement["Resource"])
                        shown_actions = ", ".join(code(action) for action in actions)
                        places = ", ".join(code(place) for place in dict.fromkeys(map(_place, where)))
                        yield [name, by, shown_actions, places, _only_if(statement.get("Condition", {}))]
                        name = by = ""

    return table(["Role", "Used by", "May", "On", "Only if"], rows())


def _only_if(condition: dict[str, dict[str, Any]]) -> str:
    tests = []
    for operator, keys in condition.items():
        for key, value in keys.items():
            values = " or ".join(code(shown(each)) for each in _listed(value))
            tests.append(f"{code(key)} is {values}{', or not given' if operator.endswith('IfExists') else ''}")
    return "; ".join(tests)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _place(resource: Any) -> str:
    """An ARN without what is the same in all of them."""
    text = shown(resource)
    parts = text.split(":", 5)
    return parts[5] if text.startswith("arn:") else text


def queues() -> str:
    """A row for each queue and topic."""

    def rows() -> Iterator[list[object]]:
        for template in NAMES:
            for resource in read_template(template)["Resources"].values():
                made = resource.get("Properties", {})
                if resource["Type"] == "AWS::SQS::Queue":
                    tries = made.get("RedrivePolicy", {}).get("maxReceiveCount", "")
                    kept = f"{made['MessageRetentionPeriod'] // 86400} days" if "MessageRetentionPeriod" in made else ""
                    yield [code(shown(made["QueueName"])), "queue", made.get("VisibilityTimeout", ""), tries, kept]
                elif resource["Type"] == "AWS::SNS::Topic":
                    yield [code(shown(made["TopicName"])), "topic", "", "", ""]

    head = ["Name", "Kind", "Seconds a message is hidden", "Tries before it is a dead letter", "Kept for"]
    return table(head, rows())


REGIONS: Final[dict[str, Callable[[], str]]] = {
    **{f"parameters-{name}": partial(parameters, name) for name in NAMES},
    **{f"outputs-{name}": partial(outputs, name) for name in NAMES},
    "lambdas": lambdas,
    "lambda-settings": lambda_settings,
    "alarms": alarms,
    "roles": roles,
    "queues": queues,
}
