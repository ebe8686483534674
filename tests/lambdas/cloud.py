"""The local cloud for the Lambdas' tests: S3, SQS, SNS and SES on this machine, and the Lambdas set to it."""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import boto3
import pytest

from tests.lambdas.watch import Watch
from tests.ministack import running_ministack

REGION: Final = "eu-central-1"
ADMIN: Final = "admin@example.com"
SENDER: Final = "gen3d@example.com"
ENDPOINT: Final = "Gen3D-test"
NAMES: Final = ("jobs", "extract", "notify", "sweep")


@dataclass(frozen=True)
class Cloud:
    """The local cloud, and the Lambdas' own clients of it."""

    endpoint: str
    s3: Any
    sqs: Any
    sns: Any
    uploaded: str
    finished: str
    handlers: dict[str, ModuleType]
    services: dict[str, Any]
    watch: Watch


@contextmanager
def local_cloud(folder: Path) -> Iterator[Cloud]:
    """Runs ministack, that checks signatures and policies, with what it writes in a folder."""
    with running_ministack(folder, SERVICES="s3,sqs,sns,ses,iam,sts") as endpoint:
        yield _set_up(endpoint)


def _set_up(endpoint: str) -> Cloud:
    root: dict[str, Any] = {
        "endpoint_url": endpoint,
        "region_name": REGION,
        # The server takes its root key with any secret.
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    sqs: Any = boto3.client("sqs", **root)
    ses: Any = boto3.client("sesv2", **root)
    ses.create_email_identity(EmailIdentity="example.com")
    queues = {
        name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("Gen3D-ImageUploaded", "Gen3D-JobFinished")
    }
    settings = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
        "GEN3D_BUCKET": "none-yet",
        "GEN3D_ENDPOINT": ENDPOINT,
        "GEN3D_PAGE_URL": "https://gen3d.example/",
        "GEN3D_MAIL_FROM": f"Gen3D <{SENDER}>",
        "GEN3D_ADMIN_MAIL": ADMIN,
        "GEN3D_LOG_LINK": "https://logs.example/?job={job}",
        "GEN3D_UPLOADED_QUEUE_URL": queues["Gen3D-ImageUploaded"],
        "GEN3D_FINISHED_QUEUE_URL": queues["Gen3D-JobFinished"],
    }
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "GEN3D_"))]:
            patch.delenv(name)
        for name, value in settings.items():
            patch.setenv(name, value)
        handlers = {name: importlib.import_module(f"lambdas.{name}.handler") for name in NAMES}
        services = {name: handler.service() for name, handler in handlers.items()}
    watch = Watch()
    for service in services.values():
        watch.attend(service.store.client)
    watch.attend(services["extract"].endpoint.client)
    watch.attend(services["notify"].mailer.client)
    watch.attend(services["sweep"].uploaded.client)
    return Cloud(
        endpoint=endpoint,
        s3=boto3.client("s3", **root),
        sqs=sqs,
        sns=boto3.client("sns", **root),
        uploaded=queues["Gen3D-ImageUploaded"],
        finished=queues["Gen3D-JobFinished"],
        handlers=handlers,
        services=services,
        watch=watch,
    )
