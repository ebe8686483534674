import os

import pytest

from serve.errors import Gen3DError
from serve.settings import Settings, read_settings


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GEN3D_")]:
        monkeypatch.delenv(name)


def test_with_nothing_set_a_laptop_serves_itself_and_writes_nowhere() -> None:
    settings = read_settings()
    assert (settings.engine, settings.host, settings.port) == ("preview", "127.0.0.1", 8080)
    assert settings.output_prefixes == ()
    # SIGKILL comes 30 seconds after SIGTERM.
    assert settings.drain_seconds < 30


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("PORT", "0", "port", 0),
        ("MAX_BOXES", "200", "max_boxes", 200),
        ("QUEUE_SIZE", "0", "queue_size", 0),
        ("DRAIN_SECONDS", "0.5", "drain_seconds", 0.5),
        ("OUTPUT_PREFIXES", "", "output_prefixes", ()),
        ("OUTPUT_PREFIXES", "s3://b/u/, file:///srv/a%20b/ ,", "output_prefixes", ("s3://b/u/", "file:///srv/a%20b/")),
    ],
)
def test_settings_come_from_the_environment(
    name: str, value: str, field: str, expected: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"GEN3D_{name}", value)
    assert getattr(read_settings(), field) == expected


def test_what_is_given_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEN3D_PORT", "1234")
    assert (read_settings().port, read_settings(port=5678).port) == (1234, 5678)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ENGINE", "sam4d", "should be 'preview'"),
        ("PORT", "http", "valid integer"),
        ("PORT", "", "valid integer"),
        ("PORT", "65536", "less than or equal to 65535"),
        ("PORT", "-1", "greater than or equal to 0"),
        ("MAX_BODY_BYTES", "64MB", "valid integer"),
        ("MAX_BODY_BYTES", "10", "greater than or equal to 1024"),
        ("MAX_IMAGE_BYTES", "0", "greater than or equal to 1024"),
        ("MAX_PIXELS", "1e3", "valid integer"),
        ("MAX_BOXES", "0", "greater than or equal to 1"),
        ("QUEUE_SIZE", "-1", "greater than or equal to 0"),
        ("DRAIN_SECONDS", "0", "greater than 0"),
        ("DRAIN_SECONDS", "soon", "valid number"),
        ("DRAIN_SECONDS", "nan", "less than or equal to 3600"),
        ("DRAIN_SECONDS", "inf", "less than or equal to 3600"),
        ("HOST", "", "at least 1 character"),  # to a socket it would mean every address of the machine
        ("OUTPUT_PREFIXES", "s3://bucket/users", "must start with s3:// or file:/// and end with /"),
        ("OUTPUT_PREFIXES", "file:///srv/,/tmp/", "'/tmp/' must start with"),
        ("OUTPUT_PREFIXES", "file://host/srv/", "must start with"),
        ("OUTPUT_PREFIXES", "s3://bucket/a/../b/", "must not have empty names"),
        ("OUTPUT_PREFIXES", "s3:///", "must not have empty names"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_variable(
    name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"GEN3D_{name}", value)
    with pytest.raises(Gen3DError) as caught:
        read_settings()
    assert caught.value.code == "invalid_setting"
    assert caught.value.message.startswith(f"GEN3D_{name}: ")
    assert words in caught.value.message
    assert "Value error" not in caught.value.message  # pydantic's own prefix
    assert len(caught.value.message.splitlines()) == 1


def test_the_port_that_sagemaker_sets_is_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEN3D_PORT", "1")
    assert read_settings().port == 1
    monkeypatch.setenv("SAGEMAKER_BIND_TO_PORT", "2")
    assert read_settings().port == 2
    assert read_settings(port=3).port == 3, "the command line says it last"


def test_a_bad_port_of_sagemakers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_BIND_TO_PORT", "x")
    with pytest.raises(Gen3DError, match="SAGEMAKER_BIND_TO_PORT: "):
        read_settings()
