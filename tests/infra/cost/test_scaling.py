"""The model scales as the templates do."""

from copy import deepcopy
from typing import Any

import pytest

from infra.cost import scaling
from infra.cost.prices import INSTANCES
from infra.cost.scaling import count_alarms, instance_types, lambda_gigabytes, read_scaling, sweeps_an_hour
from infra.templates import NAMES, Name, read_template, template_file
from lambdas.extract.settings import ExtractSettings
from lambdas.shared.settings import read_settings

Templates = dict[Name, dict[str, Any]]


@pytest.fixture
def templates(monkeypatch: pytest.MonkeyPatch) -> Templates:
    """The templates as the model reads them, to be changed; what it remembers of them is forgotten."""
    changed: Templates = {name: deepcopy(read_template(name)) for name in ("endpoint", "service")}
    monkeypatch.setattr(scaling, "read_template", changed.__getitem__)
    monkeypatch.setattr(scaling, "read_scaling", read_scaling.__wrapped__)
    return changed


def properties(templates: Templates, name: str) -> Any:
    return templates["endpoint"]["Resources"][name]["Properties"]


def test_it_is_the_template_that_was_played() -> None:
    """Whoever changes the template sees here what the page's figures were made with."""
    rules = read_scaling()
    assert (rules.least, rules.most, rules.concurrency, rules.target) == (0, 1, 4, 8)
    assert (rules.out_cooldown, rules.in_cooldown, rules.wake_cooldown) == (300, 300, 300)
    assert (rules.wake_step, rules.wake_samples, rules.idle_minutes) == (1, 1, None)


def test_how_long_a_job_may_wait_and_take_is_what_the_lambda_asks_for() -> None:
    set_to = read_settings(
        ExtractSettings, {"GEN3D_BUCKET": "b", "GEN3D_ENDPOINT": "e", "GEN3D_METRICS_NAMESPACE": "n"}
    )
    assert read_scaling().ttl == set_to.request_ttl_seconds
    assert read_scaling().timeout == set_to.invocation_timeout_seconds


def test_another_number_in_the_template_is_another_in_the_model(templates: Templates) -> None:
    templates["endpoint"]["Parameters"]["JobsPerInstance"]["Default"] = 3
    properties(templates, "ScalableTarget")["MinCapacity"] = 1
    properties(templates, "WakeUp")["StepScalingPolicyConfiguration"]["Cooldown"] = 900
    rules = scaling.read_scaling()
    assert (rules.target, rules.least, rules.wake_cooldown) == (3, 1, 900)


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("WakeUpAlarm", ("Period",), 300),
        ("WakeUpAlarm", ("MetricName",), "ApproximateBacklogSize"),
        ("WakeUp", ("StepScalingPolicyConfiguration", "AdjustmentType"), "ExactCapacity"),
        (
            "ScaleByBacklog",
            ("TargetTrackingScalingPolicyConfiguration", "CustomizedMetricSpecification", "Statistic"),
            "Maximum",
        ),
    ],
)
def test_a_template_that_scales_in_another_way_is_refused(
    templates: Templates, name: str, path: tuple[str, ...], value: object
) -> None:
    node = properties(templates, name)
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    with pytest.raises(ValueError, match=f"is {value}"):
        scaling.read_scaling()


def test_a_third_policy_is_refused(templates: Templates) -> None:
    resources = templates["endpoint"]["Resources"]
    resources["Nightly"] = resources["WakeUp"]
    with pytest.raises(ValueError, match="Nightly"):
        scaling.read_scaling()


def test_every_instance_type_of_the_template_has_a_price() -> None:
    assert instance_types() == tuple(INSTANCES)


def test_alarms_sweeps_and_memory_are_those_of_the_templates() -> None:
    written = sum(template_file(name).read_text().count("Type: AWS::CloudWatch::Alarm") for name in NAMES)
    made_of_the_target = 2
    assert count_alarms() == written + made_of_the_target
    assert sweeps_an_hour() == 12
    assert lambda_gigabytes("Extract") == 0.25
