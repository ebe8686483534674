"""What it costs to make a file of a dense mesh: time, memory, and how long other threads wait. Knows no pipeline.

Everything is measured in processes of their own.
"""

import multiprocessing
import os
import platform
import resource
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np

from serve.mesh.meshes import DenseMesh

CORES: Final = 2
_BEAT: Final = 0.001  # seconds
_SMALL_SIZE: Final = 256

Pipeline = Callable[[DenseMesh, int, int], bytes]  # to so many faces and texels along each side of the texture


def in_fresh_process(work: Any, *arguments: Any) -> Any:
    """What `work` returns in a new interpreter, which is held to two cores."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=_pin) as process:
        return process.submit(work, *arguments).result()


def save_mesh(mesh: DenseMesh, file: Path) -> None:
    """Writes a mesh for `load_mesh`, which another process calls."""
    np.savez(file, positions=mesh.positions, faces=mesh.faces, colours=mesh.colours)


def load_mesh(file: Path) -> DenseMesh:
    """Reads what `save_mesh` wrote."""
    with np.load(file) as arrays:
        return DenseMesh(arrays["positions"], arrays["faces"], arrays["colours"])


def measure(
    pipeline: Pipeline, dense: Path, small: Path, faces: int, size: int, made: Path, repeats: int
) -> dict[str, float]:
    """Runs a pipeline so many times, after once on a small mesh, and writes what it made the last time.

    Args:
        pipeline: What to run.
        dense: The mesh, as `save_mesh` wrote it.
        small: The small one.
        faces: How many to make of the mesh's.
        size: The texture's sides in texels.
        made: Where the file goes.
        repeats: How many times.

    Returns:
        Medians of `cpu_seconds`, over all threads but the one that watches, and of `wall_seconds`; the first run's
        `peak_megabytes` above what was resident before it; `stall_ms`, the longest that another Python thread overslept
        in any run.
    """
    mesh = load_mesh(small)
    pipeline(mesh, len(mesh.faces) // 2, _SMALL_SIZE)  # packages are loaded, and kernels from their cache
    mesh = load_mesh(dense)
    before, peak = _resident_megabytes(), 0.0
    runs = []
    for _ in range(repeats):
        began, worked = time.perf_counter(), time.process_time()
        with _Heartbeat() as heartbeat:
            data = pipeline(mesh, faces, size)
            elapsed = time.perf_counter() - began
        runs.append((time.process_time() - worked - heartbeat.seconds, elapsed, heartbeat.longest * 1e3))
        peak = peak or _peak_megabytes()
    made.write_bytes(data)
    cpu, wall, stalls = (list(column) for column in zip(*runs, strict=True))
    return {
        "cpu_seconds": statistics.median(cpu),
        "wall_seconds": statistics.median(wall),
        "peak_megabytes": peak - before,
        "stall_ms": max(stalls),
    }


def first_call(work: Callable[[], object]) -> dict[str, float]:
    """How much longer the first call takes in a process than the second: compiling, or loading."""
    spent = []
    for _ in range(2):
        began, worked = time.perf_counter(), time.process_time()
        work()
        spent.append((time.process_time() - worked, time.perf_counter() - began))
    return {"cpu_seconds": spent[0][0] - spent[1][0], "wall_seconds": spent[0][1] - spent[1][1]}


def idle_stall(seconds: float) -> float:
    """How many milliseconds a thread oversleeps at most where no other does anything: the machine's share of it."""
    with _Heartbeat() as heartbeat:
        time.sleep(seconds)
    return heartbeat.longest * 1e3


class _Heartbeat:
    """A thread that sleeps a millisecond, over and over, and notes by how much it overslept at most.

    Attributes:
        longest: Seconds.
        seconds: Of CPU, that it took itself.
    """

    def __init__(self) -> None:
        self.longest = self.seconds = 0.0
        self._over = threading.Event()
        self._beating = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "_Heartbeat":
        self._thread.start()
        self._beating.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        self._beating.set()
        last = time.perf_counter()
        while not self._over.is_set():
            time.sleep(_BEAT)
            now = time.perf_counter()
            self.longest = max(self.longest, now - last - _BEAT)
            last = now
        self.seconds = time.thread_time()


def _pin() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-CORES:])


def _status_megabytes(field: str) -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kibibytes = next(line.split()[1] for line in status.splitlines() if line.startswith(field))
    return int(kibibytes) * 1024 / 1e6


def _resident_megabytes() -> float:
    """What this process holds now, in 10⁶ bytes; where the system does not say, the most that it has held."""
    return _status_megabytes("VmRSS") if platform.system() == "Linux" else _peak_megabytes()


def _peak_megabytes() -> float:
    """The largest resident set that this process has had, in 10⁶ bytes; see benchmarks/preview.py."""
    if platform.system() == "Linux":
        return _status_megabytes("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS
