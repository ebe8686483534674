"""The async endpoint in a process of its own, to be killed. It says where it listens, on standard output."""

import sys
import time
from pathlib import Path

from infra.local.async_endpoint.container import RunningServer
from infra.local.async_endpoint.endpoint import Clients
from infra.local.async_endpoint.server import serving
from infra.local.async_endpoint.service import AsyncInference
from infra.local.cloud import ACCOUNT
from tests.infra.async_endpoint.play import Cloud, ControlPlane

if __name__ == "__main__":
    address, folder, bucket, topic, container = sys.argv[1:]
    cloud = Cloud(address)
    output = {
        "S3OutputPath": f"s3://{bucket}/output",
        "S3FailurePath": f"s3://{bucket}/failure",
        "NotificationConfig": {"SuccessTopic": topic, "ErrorTopic": topic},
    }
    clients = Clients(ControlPlane(output), cloud.client("s3"), cloud.client("sns"))
    service = AsyncInference(Path(folder), clients, lambda _: RunningServer(container), account=ACCOUNT)
    with serving(service) as at:
        sys.stdout.write(f"{at}\n")
        sys.stdout.flush()
        time.sleep(3600)
