"""How long the preview engine takes and how much memory it needs, on one core. Knows no server.

`python -m benchmarks.preview [--quick] [--json FILE]`. Every row is measured in a fresh process.
"""

import multiprocessing
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cv2

from benchmarks.measure import photo_boxes, photo_jpeg, publish, read_arguments, table
from serve.contract import Box, Manifest, Options
from serve.engine import Engine
from serve.engines import load_engine
from serve.images import read_photo
from serve.job import run_job
from serve.progress import ProgressReport
from serve.settings import Settings, read_settings
from serve.storage import MemoryFolder

_MEGAPIXELS, _BOXES, _REPEATS = (1.0, 12.0, 48.0), (1, 4, 16), 3
_STAGES = ("decode", "segment", "reconstruct", "finish", "store")
# Read by the libraries of linear algebra when they are loaded.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_HOW = (
    "Each row is a process of its own{pinned}, with one thread in OpenCV and in the linear algebra. The work is the"
    " whole job as the command and the server do it, from the JPEG's bytes to the manifest (standard quality, GLB,"
    " files kept in memory). Peak memory is the process's largest resident set up to the end of its first job, from"
    " {source}; nothing is subtracted, and a process that has only imported the engine takes {baseline:.0f} MB. After"
    " that first job come, {repeats} × in turn, one job with all boxes and, as the rival, a job for each box; seconds"
    " are medians of wall-clock time, in which the process had at least {share:.0%} of its core. Decode is seconds per"
    " job, the other stages are seconds per object."
)


def main() -> None:
    """Measures everything and prints the tables."""
    arguments = read_arguments("Seconds per object and peak memory of the preview engine, on one core.")
    megapixels, boxes, repeats = ((1.0,), (1, 2), 1) if arguments.quick else (_MEGAPIXELS, _BOXES, _REPEATS)
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # for the processes to come
    baseline = _in_fresh_process(_peak_megabytes)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder, "photo.jpg")
        for size in megapixels:
            photo.write_bytes(photo_jpeg(size))
            for count in boxes:
                measured = _in_fresh_process(_measure, photo, photo_boxes(count, size), repeats)
                rows.append({"megapixels": size, "boxes": count, **measured})
    how = _HOW.format(
        pinned=" pinned to one core" if hasattr(os, "sched_setaffinity") else "",
        source="VmHWM in /proc/self/status" if platform.system() == "Linux" else "getrusage",
        baseline=baseline,
        share=min(row["core_share"] for row in rows),
        repeats=repeats,
    )
    result = {
        "benchmark": "preview",
        "quick": arguments.quick,
        "how": how,
        "repeats": repeats,
        "import_megabytes": baseline,
        "rows": rows,
    }
    publish(result, _table(rows), arguments.json)


def _in_fresh_process(work: Any, *arguments: Any) -> Any:
    """What `work` returns in a new interpreter, which is held to one core."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=_pin) as process:
        return process.submit(work, *arguments).result()


def _pin() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)


def _measure(photo: Path, boxes: Sequence[Box], repeats: int) -> dict[str, Any]:
    """One row of the table, from a process that has done nothing else."""
    engine, data = load_engine(Settings()), photo.read_bytes()
    _timed_job(engine, data, boxes)
    peak = _peak_megabytes()
    together, apart, timings = [], [], []
    began, worked = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        seconds, manifest = _timed_job(engine, data, boxes)
        together.append(seconds)
        timings.append(manifest.timings)
        apart.append(sum(_timed_job(engine, data, [box])[0] for box in boxes))
    core_share = (time.process_time() - worked) / (time.perf_counter() - began)
    seconds = statistics.median(together)
    stages = {
        stage: statistics.median(timing[stage] for timing in timings) / (1 if stage == "decode" else len(boxes))
        for stage in _STAGES
    }
    return {
        "photo_bytes": len(data),
        "seconds_per_job": seconds,
        "seconds_per_object": seconds / len(boxes),
        **{f"{stage}_seconds": spent for stage, spent in stages.items()},
        "peak_megabytes": peak,
        "apart_over_together": statistics.median(a / b for a, b in zip(apart, together, strict=True)),
        "core_share": core_share,
    }


def _timed_job(engine: Engine, data: bytes, boxes: Sequence[Box]) -> tuple[float, Manifest]:
    """Seconds from the photo's bytes to the manifest, and the manifest."""
    max_pixels = read_settings().max_pixels
    began = time.perf_counter()
    manifest = run_job(
        engine,
        "benchmark",
        lambda: read_photo(data, max_pixels=max_pixels),
        boxes,
        Options(),
        MemoryFolder(),
        ProgressReport("benchmark", len(boxes), None),
    )
    spent = time.perf_counter() - began
    if manifest.status != "succeeded":
        raise RuntimeError(f"an object failed, so the time says nothing: {manifest.objects}")
    return spent, manifest


def _peak_megabytes() -> float:
    """The largest resident set that this process has had, in 10⁶ bytes."""
    if platform.system() == "Linux":
        # Linux's getrusage counts what the parent held before the new program was loaded; this does not.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        kibibytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
        return int(kibibytes) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS


def _table(rows: Sequence[dict[str, Any]]) -> str:
    header = ["Photo", "Boxes", "Seconds per object", *(stage.capitalize() for stage in _STAGES)]
    header += ["Peak memory", "A job for each box"]
    return table(
        header,
        [
            (
                f"{row['megapixels']:g} MP",
                row["boxes"],
                f"**{row['seconds_per_object']:.2f}**",
                *(f"{row[f'{stage}_seconds']:.2f}" for stage in _STAGES),
                f"{row['peak_megabytes']:.0f} MB",
                f"{row['apart_over_together']:.2f} × as long",
            )
            for row in rows
        ],
    )


if __name__ == "__main__":
    main()
