"""Each benchmark runs, and its JSON holds what its table shows. How fast it was is nobody's business here."""

import json
import math
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MACHINE = {"cpu", "cores", "system", "python", "opencv", "numpy", "date"}


def run(benchmark: str, file: Path) -> tuple[dict[str, Any], str]:
    """The JSON that a benchmark wrote, and what it printed."""
    command = [sys.executable, "-m", f"benchmarks.{benchmark}", "--quick", "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    assert result["benchmark"] == benchmark
    assert result["quick"]
    assert result["machine"].keys() == MACHINE
    assert all(result["machine"].values())
    return result, done.stdout


def are_positive(numbers: Iterable[float]) -> bool:
    return all(math.isfinite(number) and number > 0 for number in numbers)


def test_preview_measures_time_memory_and_the_rival(tmp_path: Path) -> None:
    result, printed = run("preview", tmp_path / "preview.json")
    assert are_positive([result["import_megabytes"], result["repeats"]])
    assert [row["boxes"] for row in result["rows"]] == [1, 2]
    for row in result["rows"]:
        assert row.keys() == {
            "megapixels",
            "boxes",
            "photo_bytes",
            "seconds_per_job",
            "seconds_per_object",
            "decode_seconds",
            "segment_seconds",
            "reconstruct_seconds",
            "finish_seconds",
            "store_seconds",
            "peak_megabytes",
            "apart_over_together",
            "core_share",
        }
        assert are_positive(row.values())
        assert row["peak_megabytes"] > result["import_megabytes"]
    assert printed.count("| 1 MP |") == len(result["rows"])
    assert result["machine"]["cpu"] in printed


def test_serving_measures_all_forms_and_pings(tmp_path: Path) -> None:
    result, printed = run("serving", tmp_path / "serving.json")
    assert {(row["request"], row["answer"]) for row in result["overheads"]} == {
        ("JSON", "application/json"),
        ("multipart", "application/json"),
        ("raw photo", "application/json"),
        ("multipart", "model/gltf-binary"),
        ("multipart", "application/zip"),
    }
    for row in result["overheads"]:
        quartiles, forms = row.pop("overhead_quartiles_ms"), {row.pop("request"), row.pop("answer")}
        assert row.keys() == {
            "megapixels",
            "request_bytes",
            "answer_bytes",
            "in_process_ms",
            "http_ms",
            "overhead_ms",
            "reading_ms",
            "composing_ms",
        }, forms
        assert are_positive([*row.values(), *quartiles])
    idle, busy = result["pings"]
    assert (idle["load"], idle["jobs"]) == ("none", 0)
    assert busy["jobs"] > 0
    for row in (idle, busy):
        assert are_positive([row["pings"], row["p50_ms"], row["p99_ms"], row["max_ms"]])
        assert row["p50_ms"] <= row["p99_ms"] <= row["max_ms"]
    assert printed.count("| 1 MP |") == len(result["overheads"])
    assert result["machine"]["cpu"] in printed
