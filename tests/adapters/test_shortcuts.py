"""DeepCache and T-GATE on real U-Nets: what is taken is what was kept, keeping changes nothing, nothing stays on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from easel.adapters.deepcache import DeepCache
from easel.adapters.rowmemory import instead
from easel.adapters.tgate import Gate, crosses, mixed
from easel.core.settings import read_settings
from easel.core.work import Evaluate, Memory, Rows, Shortcut
from easel.engine.runner import perform
from easel.models.family import Model, load
from easel.models.layouts.identify import identify
from tests.tiny import load_starter, write_tiny_sd

KINDS: list[Shortcut] = [DeepCache(), Gate()]
SIDES = [(8, 8), (6, 10), (5, 7)]  # the last is no whole number of the U-Net's halves


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = write_tiny_sd(tmp_path_factory.mktemp("models") / "linear", linear_projection=True, seed=3)
    return load(identify(folder), read_settings(precision="float32"))


@pytest.fixture(scope="module")
def starter() -> Model:
    """A U-Net whose last block has no attentions, as XL's."""
    return load_starter()


@pytest.fixture(params=["tiny", "linear", "starter"])
def model(request: pytest.FixtureRequest) -> Model:
    return request.getfixturevalue(request.param)


def rows(model: Model, count: int = 2, sides: tuple[int, int] = (8, 8), seed: int = 4, **more: Any) -> Rows:
    chance = torch.Generator().manual_seed(seed)
    unet: Any = model.parts["unet"]
    context = torch.randn(count, 77, unet.config.cross_attention_dim, generator=chance)
    x = torch.randn(count, 4, *sides, generator=chance)
    return Rows(x, torch.linspace(1.0, 3.0, count, dtype=torch.float64), context, **more)


def evaluated(model: Model, batch: Rows) -> Tensor:
    (outcome,) = perform([Evaluate(model, batch)])
    assert isinstance(outcome, Tensor), outcome
    return outcome


def memories(shortcut: Shortcut, count: int = 2) -> tuple[tuple[tuple[Shortcut, Memory], ...], ...]:
    return tuple(((shortcut, {}),) for _ in range(count))


def traces(model: Model) -> list[Any]:
    return [
        (name, sorted(vars(module)), dict(module._forward_hooks), dict(module._forward_pre_hooks))
        for name, module in model.parts["unet"].named_modules()
    ]


@contextmanager
def counted(modules: Iterator[nn.Module]) -> Iterator[list[nn.Module]]:
    calls: list[nn.Module] = []
    handles = [module.register_forward_hook(lambda module, *_: calls.append(module)) for module in modules]
    yield calls
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("shortcut", KINDS)
def test_taken_at_once_is_what_was_kept(model: Model, shortcut: Shortcut, sides: tuple[int, int]) -> None:
    """The same latents at the same noise: what is left out would have been the same, to the bit."""
    plain, clean = rows(model, sides=sides), traces(model)
    kept = memories(shortcut)
    full = evaluated(model, plain)
    assert torch.equal(full, evaluated(model, rows(model, sides=sides, keeps=kept))), "keeping changes nothing"
    assert torch.equal(full, evaluated(model, rows(model, sides=sides, takes=kept)))
    assert torch.equal(full, evaluated(model, plain))
    assert traces(model) == clean


@pytest.mark.parametrize("shortcut", KINDS)
def test_each_row_takes_its_own(tiny: Model, shortcut: Shortcut) -> None:
    """Rows kept together and taken in another order, or alone, are the same rows."""
    kept = memories(shortcut, 3)
    evaluated(tiny, rows(tiny, 3, keeps=kept))
    other = rows(tiny, 3, seed=9)
    expected = evaluated(tiny, rows(tiny, 3, seed=9, takes=kept))
    for row in range(3):
        one = slice(row, row + 1)
        alone = evaluated(tiny, Rows(other.x[one], other.sigma[one], other.context[one], takes=kept[one]))
        assert torch.allclose(alone[0], expected[row], atol=1e-5)
    turned = Rows(other.x.flip(0), other.sigma.flip(0), other.context.flip(0), takes=kept[::-1])
    assert torch.allclose(evaluated(tiny, turned).flip(0), expected, atol=1e-5)
    assert not torch.allclose(evaluated(tiny, rows(tiny, 3, seed=9, takes=kept[::-1])), expected, atol=1e-3)


def test_a_short_forward_skips_what_it_takes(tiny: Model) -> None:
    unet: Any = tiny.parts["unet"]
    kept = memories(DeepCache())
    evaluated(tiny, rows(tiny, keeps=kept))
    inner = [*unet.mid_block.resnets, *unet.down_blocks[0].resnets, *unet.up_blocks[0].resnets]
    with counted(iter([*inner, unet.up_blocks[-1].resnets[-1]])) as calls:
        evaluated(tiny, rows(tiny, takes=kept))
    assert calls == [unet.up_blocks[-1].resnets[-1]]


def test_behind_the_gate_no_words_are_read(tiny: Model) -> None:
    kept = memories(Gate())
    evaluated(tiny, rows(tiny, keeps=kept))
    other = rows(tiny, takes=kept)
    silent = Rows(other.x, other.sigma, torch.zeros_like(other.context), takes=kept)
    attentions: list[Any] = [attention for _, attention in crosses(tiny.parts["unet"])]
    with counted(attention.to_q for attention in attentions) as calls:
        assert torch.equal(evaluated(tiny, other), evaluated(tiny, silent))
    assert attentions
    assert not calls


def test_gate_and_inner_layers_together(tiny: Model) -> None:
    both = tuple(((DeepCache(), {}), (Gate(), {})) for _ in range(2))
    full = evaluated(tiny, rows(tiny, keeps=both))
    assert torch.equal(full, evaluated(tiny, rows(tiny, takes=both)))
    assert torch.equal(full, evaluated(tiny, rows(tiny, takes=tuple(row[1:] for row in both))))


def test_rows_that_keep_share_forwards_and_rows_that_take_do_not(tiny: Model) -> None:
    kept = memories(DeepCache())
    plain, keeping = Evaluate(tiny, rows(tiny)), Evaluate(tiny, rows(tiny, seed=5, keeps=kept))
    assert plain.key == keeping.key
    alone = evaluated(tiny, plain.batch)
    together: Any = perform([plain, keeping])
    assert torch.allclose(together[0], alone, atol=1e-5)
    assert all(memory for row in kept for _, memory in row)
    taking = Evaluate(tiny, rows(tiny, takes=kept))
    assert taking.key == Evaluate(tiny, rows(tiny, seed=7, takes=memories(DeepCache()))).key
    assert len({plain.key, taking.key, Evaluate(tiny, rows(tiny, takes=memories(Gate()))).key}) == 3


def test_an_error_inside_takes_it_off_too(tiny: Model) -> None:
    clean = traces(tiny)
    for shortcut in KINDS:
        (outcome,) = perform([Evaluate(tiny, rows(tiny, takes=memories(shortcut)))])
        assert isinstance(outcome, KeyError), "nothing was kept"
        with pytest.raises(MemoryError), shortcut.keeping(tiny, [{}, {}]):
            raise MemoryError
    assert traces(tiny) == clean


def test_one_stands_in_within_another() -> None:
    layer = nn.Identity()
    with instead(layer, lambda x: x + 1):
        with instead(layer, lambda x: x + 2):
            assert layer(torch.tensor(0)) == 2
        assert layer(torch.tensor(0)) == 1
    assert layer(torch.tensor(0)) == 0
    assert "forward" not in vars(layer)


def test_memories_mix_by_halves() -> None:
    found = mixed({"a": torch.tensor([1.0, 2.0])}, {"a": torch.tensor([3.0, 0.0])})
    assert torch.equal(found["a"], torch.tensor([2.0, 1.0]))
