"""The page's benchmark runs, and its JSON holds what its tables show. How fast it was is nobody's business here."""

from pathlib import Path

from tests.benchmarks.test_benchmarks import are_positive, run


def test_page_measures_loads_scripts_and_a_model(program: str, tmp_path: Path) -> None:
    result, printed = run("page", tmp_path / "page.json")
    assert [row["device"] for row in result["loads"]] == ["desk", "phone"]
    for row in result["loads"]:
        assert are_positive([*row["signed_out_ms"], *row["signed_in_ms"]])
    assert are_positive([*result["models"]["first_ms"], *result["models"]["next_ms"]])
    assert result["scripts"]["viewer_bytes"] > result["scripts"]["first_load_bytes"] > 0
    assert f"{result['scripts']['first_load_bytes']:,}" in printed
    assert result["machine"]["cpu"] in printed
