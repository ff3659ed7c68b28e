"""Laws that every kind of image prompt obeys, on tiny models with random weights, by the engine's own forward."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from easel.adapters.deepcache import DeepCache
from easel.adapters.networks.reading import read_network
from easel.adapters.pictures.adapter import ImagePromptAdapter, Prepared, shares
from easel.adapters.pictures.kinds import KINDS
from easel.adapters.pictures.loading import load_image_prompt
from easel.adapters.tgate import Gate
from easel.core.work import Act, Evaluate, Rows
from easel.engine.acting import predicted
from easel.engine.loaded import LoadedNetwork
from easel.engine.runner import perform
from easel.models.family import Model
from easel.recipes.acting import Acting
from tests.adapters.pictures.loaded import model as model
from tests.adapters.pictures.loaded import tower as tower
from tests.adapters.pictures.making import (
    KINDS as MADE,
)
from tests.adapters.pictures.making import (
    attention,
    image_prompt,
    projection,
    write_image_prompt,
)
from tests.recipes.telling import ask, told

Acts = Sequence[tuple[Act, ...]]


def test_every_kind_is_here() -> None:
    assert set(MADE) == set(KINDS)


@pytest.fixture(scope="session", params=MADE)
def adapter(request: pytest.FixtureRequest, model: Any, tmp_path_factory: pytest.TempPathFactory) -> ImagePromptAdapter:
    """An adapter of each kind; FaceID with its LoRA."""
    nested = image_prompt(request.param, model.unet, lora=request.param.startswith("face"))
    file = tmp_path_factory.mktemp("adapters") / "adapter.safetensors"
    return load_image_prompt(write_image_prompt(file, nested), model.machine)


def prepared_by(adapter: ImagePromptAdapter, tokens: int = 4, seed: int = 0) -> Prepared:
    """What rows read of some random tokens, as a projection makes them."""
    chance = torch.Generator().manual_seed(seed)
    both = torch.randn(2, 1, tokens, adapter.file.width, generator=chance)
    return Prepared(*(adapter.led(one, (1.0,), {}) for one in both))


@lru_cache
def rows_of(model: Model) -> Rows:
    """Three rows as a recipe makes them."""
    works = told(ask(negative_prompt="ugly", steps=2, batch_size=2), model)[0]
    batch = next(work for work in works if isinstance(work, Evaluate)).batch
    return part(batch, slice(0, 3))


def part(batch: Rows, some: slice) -> Rows:
    """Some rows of a batch."""
    extra = {name: value[some] for name, value in batch.extra.items()}
    return replace(batch, x=batch.x[some], sigma=batch.sigma[some], context=batch.context[some], extra=extra, left=())


@torch.inference_mode()
def drawn(model: Model, rows: Rows, acts: Acts = (), **more: Any) -> Tensor:
    """What the engine's forward makes of rows that are led so."""
    return predicted(model, replace(rows, acts=tuple(acts), **more))


def traces(model: Model) -> list[Any]:
    """What hangs on the modules of a U-Net."""
    return [
        (name, sorted(vars(module)), dict(module._forward_hooks), dict(module._forward_pre_hooks))
        for name, module in model.parts["unet"].named_modules()
    ]


def alike(one: Tensor, other: Tensor) -> bool:
    """Whether two differ by no more than the rounding of another batch: 80 dB."""
    error = float((one - other).square().mean())
    return error == 0 or 10 * math.log10(float(other.square().amax()) / error) >= 80


def test_on_and_off_is_the_identity(model: Model, adapter: ImagePromptAdapter) -> None:
    rows, clean, read = rows_of(model), traces(model), prepared_by(adapter)
    plain = drawn(model, rows)
    led = drawn(model, rows, [(Act(adapter, read.positive),)] * 3)
    assert not alike(led, plain)
    assert torch.equal(drawn(model, rows), plain)
    with pytest.raises(MemoryError), adapter.acting(model, rows, [Act(adapter, read.positive)] * 3):
        raise MemoryError
    assert torch.equal(drawn(model, rows), plain)
    assert traces(model) == clean


def test_without_strength_nothing_acts(adapter: ImagePromptAdapter) -> None:
    read = prepared_by(adapter)
    acting = Acting(adapter, (read.positive,), (read.negative,), strength=0.0)
    assert acting.at(0, away=False, share=0.5) is None
    assert acting.at(0, away=True, share=0.5) is None


def test_rows_with_and_without_are_each_alone(model: Model, adapter: ImagePromptAdapter) -> None:
    """Strengths and numbers of tokens differ; the row without is what it is without anybody."""
    rows, short, long = rows_of(model), prepared_by(adapter), prepared_by(adapter, tokens=9, seed=1)
    acts: Acts = [(Act(adapter, short.positive, 0.5),), (), (Act(adapter, long.negative, 1.5),)]
    together = drawn(model, rows, acts)
    for row in range(3):
        one = part(rows, slice(row, row + 1))
        assert alike(together[row : row + 1], drawn(model, one, [acts[row]] if acts[row] else ()))
    assert torch.equal(together[1], drawn(model, rows, [acts[0], (), ()])[1])


def test_equal_rows_of_one_request_and_of_two(model: Model, adapter: ImagePromptAdapter) -> None:
    """Whether rows read the very same tensors or equal ones makes no difference."""
    rows, one, other = rows_of(model), prepared_by(adapter), prepared_by(adapter)
    same = drawn(model, rows, [(Act(adapter, one.positive),)] * 3)
    acts = [(Act(adapter, each.positive),) for each in (one, other, one)]
    assert alike(same, drawn(model, rows, acts))


def test_a_region_is_where_rows_are_led(model: Model, adapter: ImagePromptAdapter) -> None:
    """White is everywhere and black nowhere, at sides that a U-Net halves with a remainder; half is neither."""
    rows = rows_of(model)
    rows = replace(rows, x=torch.nn.functional.pad(rows.x, (0, 1, 0, -1)))
    tokens = torch.randn(1, 4, adapter.file.width, generator=torch.Generator().manual_seed(5))

    def led(region: Image.Image | None) -> Tensor:
        read = adapter.led(tokens, (1.0,), shares(region, (7, 9), model.machine))
        return drawn(model, rows, [(Act(adapter, read),)] * 3)

    whole = led(None)
    assert alike(led(Image.new("L", (64, 64), 255)), whole)
    left = Image.new("L", (64, 64))
    left.paste(255, (0, 0, 32, 64))
    assert not alike(led(left), whole)
    if not adapter.lora:
        assert alike(led(Image.new("L", (64, 64))), drawn(model, rows))


def test_several_adapters_add(model: Any, adapter: ImagePromptAdapter, tmp_path: Path) -> None:
    """One that acts twice, and two that act on one row: both are read, in either order."""
    nested = {"image_proj": projection("plain", adapter.file.width), "ip_adapter": attention(model.unet)}
    other = load_image_prompt(write_image_prompt(tmp_path / "other.bin", nested), model.machine)
    rows, one, two = rows_of(model), prepared_by(adapter), prepared_by(other, seed=2)
    first, second = Act(adapter, one.positive, 0.4), Act(other, two.positive, 0.6)
    both = drawn(model, rows, [(first, second)] * 3)
    assert alike(both, drawn(model, rows, [(second, first)] * 3))
    assert not alike(both, drawn(model, rows, [(first,)] * 3))
    if not adapter.lora:
        twice, once = Act(adapter, one.positive, 0.3), Act(adapter, one.positive, 0.6)
        assert alike(drawn(model, rows, [(twice, twice)] * 3), drawn(model, rows, [(once,)] * 3))


@pytest.mark.parametrize("shortcut", [DeepCache(), Gate()])
def test_shortcuts_keep_what_pictures_made(model: Model, adapter: ImagePromptAdapter, shortcut: Any) -> None:
    rows, read = rows_of(model), prepared_by(adapter)
    acts = [(Act(adapter, read.positive, 0.8),)] * 3
    kept = tuple(((shortcut, {}),) for _ in range(3))
    led = drawn(model, rows, acts, keeps=kept)
    assert torch.equal(led, drawn(model, rows, acts))
    assert alike(led, drawn(model, rows, acts, takes=kept))


def test_networks_by_rows_reach_the_query(model: Any, adapter: ImagePromptAdapter, tmp_path: Path) -> None:
    """A LoRA worn by one row of two is what it is merged: pictures are read by the changed query."""
    from safetensors.torch import save_file

    chance = torch.Generator().manual_seed(4)
    tensors: dict[str, Tensor] = {}
    for name, layer in model.unet.named_modules():
        if ".attn2.to_q" in name or ".attn2.to_out.0" in name:
            out, into = layer.weight.shape
            tensors[f"unet.{name}.lora_A.weight"] = torch.randn(2, into, generator=chance) / into**0.5
            tensors[f"unet.{name}.lora_B.weight"] = torch.randn(out, 2, generator=chance)
    save_file(tensors, tmp_path / "style.safetensors")
    worn = ((LoadedNetwork("style", read_network(tmp_path / "style.safetensors")), 1.0),)
    rows, read = part(rows_of(model), slice(0, 2)), prepared_by(adapter)
    acts: Acts = [(Act(adapter, read.positive),)] * 2
    merged = drawn(model, rows, acts, networks=(worn, worn), left=(1000, 1000))
    by_rows = drawn(model, rows, acts, networks=(worn, ()), left=(1, 1))
    assert alike(by_rows[0], merged[0])
    assert alike(by_rows[1], drawn(model, rows, acts)[1])
    assert not alike(by_rows[0], drawn(model, rows, acts)[0])


def test_led_rows_share_a_forward_with_others(model: Model, adapter: ImagePromptAdapter) -> None:
    """Acts are no part of the key, and the engine gives each request its own."""
    rows, read = rows_of(model), prepared_by(adapter)
    led = Evaluate(model, replace(rows, acts=((Act(adapter, read.positive),),) * 3))
    plain = Evaluate(model, part(rows, slice(0, 1)))
    assert led.key == plain.key
    outcomes: Any = perform([led, plain])
    assert alike(outcomes[0], drawn(model, rows, led.batch.acts))
    assert alike(outcomes[1], drawn(model, plain.batch))
