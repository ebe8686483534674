"""Settings are checked when a Lambda starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lambdas.extract.settings import ExtractSettings
from lambdas.jobs.settings import JobsSettings
from lambdas.notify.settings import NotifySettings
from lambdas.shared.settings import SettingError, read_settings

ROOT = Path(__file__).parents[2]


def test_a_default_is_taken_where_nothing_is_set() -> None:
    settings = read_settings(
        NotifySettings, {"GEN3D_BUCKET": "b", "GEN3D_PAGE_URL": "https://x/", "GEN3D_MAIL_FROM": "a@example.com"}
    )
    assert settings.admin_mail == "info@2112-lab.com"


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(SettingError, match=r"^GEN3D_ENDPOINT is not set"):
        read_settings(ExtractSettings, {"GEN3D_BUCKET": "b"})


@pytest.mark.parametrize(("value", "said"), [("901", "from 30 to 900"), ("ten", "no integer"), ("-1", "from 30")])
def test_links_cannot_be_made_to_live_longer(value: str, said: str) -> None:
    with pytest.raises(SettingError, match=f"^GEN3D_LINK_SECONDS is .*{said}"):
        read_settings(JobsSettings, {"GEN3D_BUCKET": "b", "GEN3D_LINK_SECONDS": value})


@pytest.mark.parametrize("name", ["jobs", "extract", "notify", "sweep"])
def test_a_wrong_setting_fails_the_start(name: str) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_LAMBDA_FUNCTION_NAME": f"Gen3D-{name}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *(path for path in sys.path if "site-packages" in path)]),
    }
    command = [sys.executable, "-c", f"import lambdas.{name}.handler"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "GEN3D_BUCKET is not set" in done.stderr
