"""A ministack for tests: AWS's services on 127.0.0.1, with signatures and policies checked."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from infra.local.cloud import ministack_environment
from infra.local.processes import free_ports


@contextmanager
def running_ministack(folder: Path, **variables: str) -> Iterator[str]:
    """Runs one, with what it writes in a folder; its address.

    Args:
        folder: Its own.
        variables: More of its environment variables, such as `SERVICES="s3,iam,sts"`.
    """
    (port,) = free_ports(1)
    address, log = f"http://127.0.0.1:{port}", folder / "log"
    environment = {**ministack_environment(folder, port), **variables}
    with log.open("wb") as output:
        command = [sys.executable, "-m", "ministack"]
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
    try:
        _wait_until_ready(process, address, log)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            if httpx.get(f"{address}/_ministack/health").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    pytest.fail(f"ministack did not start:\n{log.read_text()}")
