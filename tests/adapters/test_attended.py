"""Where a U-Net looks: kept without changing a bit, row by row, and equal to what diffusers' own attention computes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from easel.adapters.attended import ALL, LATE, Attended, late_of, maps_in, shares, sides_of
from easel.adapters.tgate import crosses
from easel.core.work import Evaluate, Memory, Rows
from easel.engine.runner import perform
from easel.models.family import Model


def rows(model: Model, count: int = 2, sides: tuple[int, int] = (8, 8), **more: Any) -> Rows:
    chance = torch.Generator().manual_seed(4)
    unet: Any = model.parts["unet"]
    context = torch.randn(count, 77, unet.config.cross_attention_dim, generator=chance)
    x = torch.randn(count, 4, *sides, generator=chance)
    return Rows(x, torch.linspace(1.0, 3.0, count, dtype=torch.float64), context, **more)


def evaluated(model: Model, batch: Rows) -> Tensor:
    (outcome,) = perform([Evaluate(model, batch)])
    assert isinstance(outcome, Tensor), outcome
    return outcome


def kept(model: Model, batch: Rows) -> list[Memory]:
    memories: list[Memory] = [{} for _ in range(len(batch))]
    keeps = tuple(((Attended(), memory),) for memory in memories)
    evaluated(model, Rows(batch.x, batch.sigma, batch.context, keeps=keeps))
    return memories


@pytest.mark.parametrize("sides", [(8, 8), (6, 10), (5, 7)])
def test_keeping_changes_not_a_bit_and_leaves_nothing_on(tiny: Model, sides: tuple[int, int]) -> None:
    plain = rows(tiny, sides=sides)
    memories: list[Memory] = [{}, {}]
    keeping = rows(tiny, sides=sides, keeps=tuple(((Attended(), memory),) for memory in memories))
    assert torch.equal(evaluated(tiny, plain), evaluated(tiny, keeping))
    assert all(memories)
    assert not any(module._forward_hooks for module in tiny.parts["unet"].modules())


def test_rows_that_keep_share_forwards_and_each_keeps_its_own(tiny: Model) -> None:
    batch = rows(tiny, 3)
    together = kept(tiny, batch)
    assert Evaluate(tiny, batch).key == Evaluate(tiny, rows(tiny, keeps=(((Attended(), {}),), ()))).key
    for row in range(3):
        one = slice(row, row + 1)
        (alone,) = kept(tiny, Rows(batch.x[one], batch.sigma[one], batch.context[one]))
        assert alone.keys() == together[row].keys()
        for name, value in alone.items():
            assert torch.allclose(value, together[row][name], atol=1e-5)
    silent: Memory = {}
    evaluated(tiny, rows(tiny, keeps=((), ((Attended(), silent),))))
    assert torch.allclose(silent[f"{ALL} 64"], kept(tiny, rows(tiny))[1][f"{ALL} 64"], atol=1e-5)


def test_it_is_the_attention_that_diffusers_computes(tiny: Model) -> None:
    """Each layer's probabilities from diffusers' own code, by heads, for the same inputs."""
    seen: dict[str, tuple[Any, ...]] = {}
    layers = list(crosses(tiny.parts["unet"]))
    handles = [
        module.register_forward_hook(
            lambda module, inputs, given, output, name=name: seen.__setitem__(
                name, (inputs[0], given["encoder_hidden_states"])
            ),
            with_kwargs=True,
        )
        for name, module in layers
    ]
    memories = kept(tiny, rows(tiny))
    for handle in handles:
        handle.remove()
    found: dict[int, Tensor] = {}
    for name, module in layers:
        attention: Any = module
        places, words = seen[name]
        with torch.inference_mode():
            query, key = (attention.head_to_batch_dim(part) for part in (attention.to_q(places), attention.to_k(words)))
            by_heads = attention.get_attention_scores(query, key).unflatten(0, (len(places), -1))
        found[places.shape[1]] = found.get(places.shape[1], torch.tensor(0.0)) + by_heads.mean(1)
    for row, memory in enumerate(memories):
        assert {f"{ALL} {count}" for count in found} == {name for name in memory if name.startswith(ALL)}
        for count, expected in found.items():
            assert torch.allclose(memory[f"{ALL} {count}"][0], expected[row], atol=1e-5)


def test_shares_are_shares() -> None:
    chance = torch.Generator().manual_seed(0)
    found = shares(torch.randn(12, 8, generator=chance), torch.randn(5, 8, generator=chance), 2)
    assert found.shape == (12, 5)
    assert torch.allclose(found.sum(1), torch.ones(12))
    looked_at = torch.zeros(5, 8)
    looked_at[3] = 9.0
    assert (shares(torch.ones(12, 8), looked_at, 2).argmax(1) == 3).all()


def test_an_error_inside_takes_it_off_too(tiny: Model) -> None:
    with pytest.raises(MemoryError), Attended().keeping(tiny, [{}, None]):
        raise MemoryError
    assert not any(module._forward_hooks for module in tiny.parts["unet"].modules())


def test_maps_lie_over_the_latent() -> None:
    seen = torch.zeros(1, 6, 2)
    seen[0, 5, 1] = 1.0  # the last of 2 x 3 places
    found = maps_in({f"{ALL} 6": seen, f"{LATE} 6": seen}, ALL, (4, 6))
    assert found.shape == (2, 4, 6)
    assert found[0].sum() == 0 and found[1].argmax() in (3 * 6 + 4, 3 * 6 + 5, 2 * 6 + 5)
    assert torch.equal(maps_in({f"{ALL} 24": seen.new_ones(1, 24, 2)}, ALL, (4, 6)), torch.ones(2, 4, 6))


def test_layers_and_their_sides() -> None:
    assert sides_of(64, (16, 16)) == (8, 8)
    assert sides_of(12, (5, 7)) == (3, 4), "halves are rounded up"
    names = ["down_blocks.0.attn2", "up_blocks.1.a.attn2", "up_blocks.1.b.attn2", "up_blocks.2.c.attn2", "mid_block.d"]
    assert late_of(names) == {"up_blocks.1.b.attn2", "up_blocks.2.c.attn2"}
