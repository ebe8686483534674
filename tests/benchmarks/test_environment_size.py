"""What is compared, and what cannot be, is told apart; the environments themselves take gigabytes."""

from benchmarks.environment_size import usable


def test_what_an_index_cannot_serve_is_left_out_and_named() -> None:
    wishes, left_out = usable(
        ["astor==0.8.1", "", "# why", "MoGe @ git+https://example.org/MoGe.git@a8c3", "nvidia-pyindex==1.0.9"]
    )
    assert wishes == ["astor==0.8.1"]
    assert left_out == ["MoGe", "nvidia-pyindex==1.0.9"]


def test_builds_of_a_special_index_are_taken_from_the_usual_one() -> None:
    assert usable(["torchaudio==2.5.1+cu121  # CUDA"]) == (["torchaudio==2.5.1"], [])
