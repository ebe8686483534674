"""Tables of what the templates set of SageMaker: each setting, its value, and why. Knows why; the values it reads.

A setting that nobody has given a reason for, or a reason without its setting, is an error: so the tables are complete.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from docs.source.tables import code, table
from infra.templates import read_template
from lambdas.extract.settings import ExtractSettings
from serve.settings import Settings

Row = tuple[str, str, str, str]

_NOTHING: Final = {"Ref": "AWS::NoValue"}
# Lists that are told as one.
_WHOLE: Final = ("InstancePools", "StepAdjustments")

# Names, and what points at the resource beside it: the tables leave them out.
_PLAIN: Final = {
    *("AlarmActions", "AlarmDescription", "AlarmName", "Dimensions", "InitialVariantWeight", "Namespace", "PolicyName"),
    *("NotebookInstanceName", "ResourceId", "ScalableDimension", "ScalingTargetId", "ServiceNamespace", "VariantName"),
}

_MODEL: Final = {
    "ModelName": "neither a model nor a configuration can be changed: what is new needs a new name, so it has a hash",
    "ExecutionRoleArn": "the role reads weights and photos and writes meshes, below this bucket's prefixes alone",
    "PrimaryContainer.Image": "by digest: a tag could come to mean another image",
    "PrimaryContainer.ModelDataSource.S3DataSource.S3DataType": "everything below the prefix is copied to the instance",
    "PrimaryContainer.ModelDataSource.S3DataSource.CompressionType": "no archive of 14 GB to unpack at every start",
    "PrimaryContainer.ModelDataSource.S3DataSource.S3Uri": "ends with a slash, or another prefix could begin with it",
    "PrimaryContainer.Environment.GEN3D_ENGINE": "which engine serves; none ever stands in for another",
    "PrimaryContainer.Environment.GEN3D_OUTPUT_PREFIXES": "a request can have nothing written elsewhere",
}
_CONFIG: Final = {
    "EndpointConfigName": "as the model's",
    "ProductionVariants.ModelName": "the model above",
    "ProductionVariants.InitialInstanceCount": "SageMaker takes no 0: every deployment starts an instance",
    "ProductionVariants.InstanceType": "of GPUs with 32 GB or more, the smallest instance",
    "ProductionVariants.InstancePools": "where AWS has none of the first type, the next; it costs more by the hour",
    "ProductionVariants.VariantInstanceProvisionTimeoutInSeconds": "how long SageMaker looks for capacity",
    "ProductionVariants.InferenceAmiVersion": "brings the driver 580, which CUDA 13 needs",
    "ProductionVariants.ModelDataDownloadTimeoutInSeconds": "the weights come from S3 at every start of an instance",
    "ProductionVariants.ContainerStartupHealthCheckTimeoutInSeconds": "they are loaded and warmed up first",
    "AsyncInferenceConfig.ClientConfig.MaxConcurrentInvocationsPerInstance": (
        "the GPU has one job; meanwhile the next photo is read and the last meshes are finished"
    ),
    "AsyncInferenceConfig.OutputConfig.S3OutputPath": "S3 tells of each answer, and the Lambda notify ends the job",
    "AsyncInferenceConfig.OutputConfig.S3FailurePath": "a prefix of its own: answers and failures both end in .out",
    "AsyncInferenceConfig.OutputConfig.NotificationConfig.ErrorTopic": "says which job a failure is of",
}
_TARGET: Final = {
    "MinCapacity": "no job, no instance, no bill for a GPU",
    "MaxCapacity": "bounds the bill; each needs quota for its type",
}
_BACKLOG: Final = {
    "PolicyType": "up and down, towards a target",
    "TargetTrackingScalingPolicyConfiguration.TargetValue": "so many jobs waiting or in work for each instance",
    "TargetTrackingScalingPolicyConfiguration.ScaleInCooldown": (
        "between two changes, on top of the quarter of an hour for which AWS wants the backlog low"
    ),
    "TargetTrackingScalingPolicyConfiguration.ScaleOutCooldown": "between two changes",
    "TargetTrackingScalingPolicyConfiguration.CustomizedMetricSpecification.MetricName": "jobs, for each instance",
    "TargetTrackingScalingPolicyConfiguration.CustomizedMetricSpecification.Statistic": "as in AWS's own example",
}
_WAKE_UP: Final = {
    "PolicyType": "only ever adds: the alarm is over once an instance takes a job, which is no reason to take it away",
    "StepScalingPolicyConfiguration.AdjustmentType": "by a number of instances",
    "StepScalingPolicyConfiguration.Cooldown": "longer, and a job that comes after a scale-in would wait for its end",
    "StepScalingPolicyConfiguration.MetricAggregationType": "one such minute is enough",
    "StepScalingPolicyConfiguration.StepAdjustments": "one instance more",
}
_ALARM: Final = {
    "MetricName": "a job waits and no instance runs: without this, one job alone would wake nothing",
    "Statistic": "one such sample is enough",
    "Period": "as often as the metric comes",
    "EvaluationPeriods": "at once",
    "Threshold": "the metric is 0 or 1",
    "ComparisonOperator": "1 alarms",
    "TreatMissingData": "before the first job there is no metric",
}
_NOTEBOOK: Final = {
    "InstanceType": "`none` makes none; a type without a GPU is enough to send jobs to the endpoint",
    "PlatformIdentifier": "Amazon Linux 2023",
    "RoleArn": "reads project, weights and all answers, writes below `users/notebook/` alone, invokes the endpoint",
    "LifecycleConfigName": "the script that runs at every start",
    "DirectInternetAccess": "in no network of one's own, for it needs packages",
    "RootAccess": "what is run in it needs none",
    "InstanceMetadataServiceConfiguration.MinimumInstanceMetadataServiceVersion": "credentials by session alone",
    "VolumeSizeInGB": "the project, PyTorch, the weights, and as much again",
}


def asynchronous() -> str:
    """What the model and the endpoint's configuration are told, and each request of the Lambda extract."""
    template = read_template("endpoint")
    resources = template["Resources"]
    asked = {each.name: each.default for each in dataclasses.fields(ExtractSettings)}
    rows = [
        *_rows("Model", resources["Model"]["Properties"], _MODEL, template),
        *_rows("EndpointConfig", resources["EndpointConfig"]["Properties"], _CONFIG, template),
        (
            "InvokeEndpointAsync",
            code("RequestTTLSeconds"),
            code(asked["request_ttl_seconds"]),
            "SageMaker's most: a job outlives a long wait for an instance",
        ),
        (
            "InvokeEndpointAsync",
            code("InvocationTimeoutSeconds"),
            code(asked["invocation_timeout_seconds"]),
            "SageMaker's most; it counts from when the container has the job, which may wait there for others",
        ),
        (
            "the container",
            code("GEN3D_QUEUE_SIZE"),
            code(Settings.model_fields["queue_size"].default),
            "more than `ConcurrentJobs`: a 503 would be a failed job",
        ),
    ]
    return _table(rows)


def scaling() -> str:
    """What scales the endpoint."""
    template = read_template("endpoint")
    whys = {"ScalableTarget": _TARGET, "ScaleByBacklog": _BACKLOG, "WakeUp": _WAKE_UP, "WakeUpAlarm": _ALARM}
    rows = [
        row
        for name, why in whys.items()
        for row in _rows(name, template["Resources"][name]["Properties"], why, template)
    ]
    return _table(rows)


def notebook() -> str:
    """What the notebook is told."""
    template = read_template("service")
    minutes = template["Parameters"]["NotebookIdleMinutes"]["Default"]
    rows = [
        *_rows("Notebook", template["Resources"]["Notebook"]["Properties"], _NOTEBOOK, template),
        (
            "NotebookStart",
            code("NotebookIdleMinutes"),
            code(minutes),
            "after so long without work the instance stops itself",
        ),
    ]
    return _table(rows)


def _rows(resource: str, properties: dict[str, Any], whys: dict[str, str], template: dict[str, Any]) -> Iterator[Row]:
    found = dict(_settings(properties))
    if found.keys() != whys.keys():
        raise ValueError(
            f"{resource}: of these either the setting or its reason is missing: {found.keys() ^ whys.keys()}"
        )
    for path, value in found.items():
        # The last word is enough; what stands before it is where the template has it.
        yield resource, code(path.rpartition(".")[2]), _said(value, template), whys[path]


def _settings(properties: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Each setting by its path; what depends on a condition, by itself."""
    for name, value in properties.items():
        here = f"{path}{name}"
        if name in _PLAIN:
            continue
        if name in _WHOLE:
            yield here, value
        elif isinstance(value, dict) and "Fn::If" in value and value["Fn::If"][2] == _NOTHING:
            inner = value["Fn::If"][1]
            yield from _settings(inner, f"{here}.") if isinstance(inner, dict) else ((here, value),)
        elif isinstance(value, list) and len(value) == 1:
            yield from _settings(value[0], f"{here}.")
        elif isinstance(value, dict) and not _is_function(value):
            yield from _settings(value, f"{here}.")
        else:
            yield here, value


def _is_function(value: dict[str, Any]) -> bool:
    return any(key == "Ref" or key.startswith("Fn::") for key in value)


def _said(value: Any, template: dict[str, Any]) -> str:
    """A value, for people."""
    if isinstance(value, list):
        return ", ".join(_said(each, template) for each in value)
    if not isinstance(value, dict):
        return code(value)
    if "Ref" in value:
        return _referred(value["Ref"], template)
    if "Fn::If" in value:
        _, yes, no = value["Fn::If"]
        return _said(no if yes == _NOTHING else yes, template)
    if "Fn::Sub" in value:
        return f"`{value['Fn::Sub']}`"
    if "Fn::GetAtt" in value:
        return f"that of `{value['Fn::GetAtt'][0]}`"
    told = [
        _said(each, template)
        for name, each in value.items()
        if name not in ("Priority", "Name", "MetricIntervalLowerBound")
    ]
    return " ".join(told)


def _referred(name: str, template: dict[str, Any]) -> str:
    parameter = template["Parameters"].get(name)
    if parameter is None:
        return f"`{name}`"
    default = parameter.get("Default", "")
    return f"`{name}`, by default `{default}`" if default != "" else f"`{name}`"


def _table(rows: Iterable[Row]) -> str:
    return table(["Where", "Setting", "Value", "Why"], rows)


REGIONS: Final[dict[str, Callable[[], str]]] = {
    "sagemaker-async": asynchronous,
    "sagemaker-scaling": scaling,
    "sagemaker-notebook": notebook,
}
