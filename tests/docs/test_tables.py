"""The tables that are made from code and templates."""

import pytest

from docs.source.stacks import LAMBDAS, alarms, lambda_settings, parameters, roles, shown
from docs.source.tables import code, table
from infra.templates import NAMES, read_template


def test_a_cell_stays_in_its_cell() -> None:
    assert table(["a", "b"], [["x|y", 1], ["two\nlines", ""]], right=["b"]).splitlines() == [
        "| a | b |",
        "| --- | ---: |",
        "| x\\|y | 1 |",
        "| two lines |  |",
    ]
    assert (code("x"), code(0), code(""), code(None)) == ("`x`", "`0`", "", "")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("AllTraffic", "AllTraffic"),
        ({"Ref": "Stage"}, "STAGE"),
        ({"Ref": "MaxInstances"}, "MaxInstances"),
        ({"Fn::GetAtt": ["Images", "Arn"]}, "Images.Arn"),
        ({"Fn::Sub": "gen3d-${Stage}-${AWS::AccountId}"}, "gen3d-STAGE-ACCOUNT"),
        ({"Fn::Sub": "${MaxPhotoMegabytes}000000"}, "{MaxPhotoMegabytes}000000"),
        ({"Fn::Sub": ["at ${Page}/", {"Page": {"Ref": "PageUrl"}}]}, "at PageUrl/"),
        ({"Fn::Join": ["-", ["at", {"Ref": "Stage"}]]}, "at-STAGE"),
        ({"Fn::Join": ["$252F", {"Fn::Split": ["/", {"Ref": "EndpointLogName"}]}]}, "EndpointLogName"),
        ({"Fn::If": ["HasAWS", {"Ref": "Distribution"}, ""]}, "Distribution"),
    ],
)
def test_a_templates_values_are_shown_in_words(value: object, words: str) -> None:
    assert shown(value) == words


def test_every_parameter_has_a_row_with_its_default() -> None:
    for template in NAMES:
        rows = parameters(template)
        for parameter, declared in read_template(template)["Parameters"].items():
            default = "must be given" if "Default" not in declared else f"`{declared['Default']}`"
            assert f"| `{parameter}` | {'nothing' if default == '``' else default} |" in rows


def test_what_a_template_sets_a_lambda_to_is_one_of_its_settings() -> None:
    rows = lambda_settings()
    for name in LAMBDAS:
        for variable in read_template("service")["Resources"][name]["Properties"]["Environment"]["Variables"]:
            assert f"| {name.lower()} | `{variable}` |" in rows


def test_an_alarm_says_what_it_takes_of_its_metric() -> None:
    assert "| samples of `CPUUtilization` ≥ 55 for InstanceHours × 3600 s |" in alarms()


def test_a_role_says_who_acts_with_it() -> None:
    assert "| `Gen3D-STAGE-notify-REGION` | `lambda.amazonaws.com` | `logs:CreateLogStream`" in roles()
