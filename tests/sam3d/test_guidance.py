from typing import Any

import pytest
import torch

from serve.reconstruct.sam3d.guidance import economical

TOKENS, CHANNELS = 40, 64


@pytest.fixture
def generator(upstream: Any) -> Any:
    """The genuine structure generator, tiny; with guidance, as released."""
    generator = upstream.models["ss_generator"]
    generator.reverse_fn.strength = 7
    return generator


def sample(generator: Any) -> dict[str, torch.Tensor]:
    mapping = generator.reverse_fn.backbone.latent_mapping
    shapes = {name: (1, each.pos_emb.shape[0], each.input_layer.in_features) for name, each in mapping.items()}
    condition = torch.randn(1, TOKENS, CHANNELS, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(2)
    with torch.inference_mode():
        made: dict[str, torch.Tensor] = generator(shapes, torch.device("cpu"), condition)
    return made


def test_the_result_is_that_of_upstream(generator: Any) -> None:
    expected = sample(generator)
    with economical(generator, lambda: None):
        found = sample(generator)
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values, atol=1e-5, rtol=1e-5)


def test_guidance_is_at_work_in_it(generator: Any) -> None:
    """Else the test above would compare nothing."""
    guided = sample(generator)
    generator.reverse_fn.strength = 0
    assert not torch.allclose(guided["shape"], sample(generator)["shape"], atol=1e-2)


def test_keys_and_values_are_made_once_for_each_branch(generator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    weight = generator.reverse_fn.backbone.blocks[0].cross_attn["shape"].to_kv.weight
    linear = torch.nn.functional.linear

    def count(given: torch.Tensor, by: torch.Tensor, bias: torch.Tensor | None = None) -> Any:
        if by is weight:
            seen.append(given.shape[1])
        return linear(given, by, bias)

    monkeypatch.setattr(torch.nn.functional, "linear", count)
    with economical(generator, lambda: None):
        sample(generator)
    assert seen == [TOKENS, 1], "the guided branch sees the condition, the unguided one a single token"


def test_every_step_is_told_of(generator: Any) -> None:
    told: list[int] = []
    with economical(generator, lambda: told.append(1)):
        sample(generator)
    assert len(told) == generator.inference_steps


def test_afterwards_the_generator_is_as_it_was(generator: Any) -> None:
    before = sample(generator)
    with pytest.raises(KeyboardInterrupt), economical(generator, lambda: None):
        raise KeyboardInterrupt
    assert torch.equal(sample(generator)["shape"], before["shape"])
    assert "forward" not in vars(generator.reverse_fn.backbone)


def test_another_kind_of_guidance_is_refused(generator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator.reverse_fn, "unconditional_handling", "discard")
    with pytest.raises(RuntimeError, match="upstream changed"), economical(generator, lambda: None):
        pass
