"""Seamless tiling: comes off clean, shifts with its input, and the starter's pictures meet at their edges."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from easel.adapters.tiling import Seamless
from easel.core.client import Done
from easel.core.request import Request
from easel.core.work import Rows
from easel.media.tensors import to_pixels
from easel.models.edges import wrapped_axes
from easel.models.family import Model
from tests.engine.test_sharing import Kitchen, drawn_alone, psnr
from tests.recipes.telling import ask, told
from tests.tiny import load_starter

Axes = Literal["x", "y", "xy"]


def latents(height: int = 8, width: int = 12) -> Tensor:
    return torch.randn(1, 4, height, width, generator=torch.Generator().manual_seed(4))


def rows(x: Tensor) -> Rows:
    context = torch.randn(1, 77, 32, generator=torch.Generator().manual_seed(5))
    return Rows(x, torch.tensor([2.0], dtype=torch.float64), context)


@torch.inference_mode()
def outputs(model: Model) -> list[Tensor]:
    """What every verb that has edges gives."""
    x = latents()
    pixels = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(6))
    return [model.predict(rows(x)), model.decode(x), model.encode_images(pixels)]


def traces(model: Any) -> list[Any]:
    """Everything of the convolutions that wearing might leave behind."""
    convs = [
        m
        for part in (model.parts["unet"], model.parts["vae"])
        for m in part.modules()
        if isinstance(m, torch.nn.Conv2d)
    ]
    return [
        (conv.padding, conv.padding_mode, dict(conv._forward_pre_hooks), sorted(conv.__dict__), wrapped_axes(conv))
        for conv in convs
    ]


@pytest.mark.parametrize("axes", ["x", "y", "xy"])
def test_it_comes_off_clean(tiny: Model, axes: Axes) -> None:
    model: Any = tiny
    parts = (model.parts["unet"], model.parts["vae"])
    weights = [value.clone() for part in parts for value in part.state_dict().values()]
    before, clean = traces(tiny), outputs(tiny)
    with Seamless(axes).on(tiny):
        worn = outputs(tiny)
    assert all(not torch.equal(a, b) for a, b in zip(clean, worn, strict=True))
    assert traces(tiny) == before
    assert all(torch.equal(a, b) for a, b in zip(clean, outputs(tiny), strict=True))
    after = [value for part in parts for value in part.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(weights, after, strict=True))


def test_an_error_inside_takes_it_off_too(tiny: Model) -> None:
    before = traces(tiny)
    with pytest.raises(MemoryError), Seamless("xy").on(tiny):
        raise MemoryError
    assert traces(tiny) == before


def test_worn_twice_and_within_one_another(tiny: Model) -> None:
    before = traces(tiny)
    with Seamless("xy").on(tiny):
        both = outputs(tiny)
    with Seamless("x").on(tiny):
        one = outputs(tiny)
        with Seamless("y").on(tiny):
            assert all(torch.equal(a, b) for a, b in zip(both, outputs(tiny), strict=True))
        with Seamless("x").on(tiny):
            assert all(torch.equal(a, b) for a, b in zip(one, outputs(tiny), strict=True))
        assert all(torch.equal(a, b) for a, b in zip(one, outputs(tiny), strict=True))
    assert traces(tiny) == before


def test_equal_by_value() -> None:
    assert Seamless("x") == Seamless("x")
    assert hash(Seamless("x")) == hash(Seamless("x"))
    assert len({Seamless("x"), Seamless("y"), Seamless("xy"), Seamless("x")}) == 3


@pytest.mark.parametrize(("axes", "roll"), [("x", (0, 4)), ("y", (4, 0)), ("xy", (2, 6))])
@torch.inference_mode()
def test_rolling_what_goes_in_rolls_what_comes_out(tiny: Model, axes: Axes, roll: tuple[int, int]) -> None:
    """So no place is an edge. The tiny U-Net halves once, so it is rolled by pairs of cells."""
    x, there = latents(), (-2, -1)
    pixels = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(6))
    by_pixels = (8 * roll[0], 8 * roll[1])
    with Seamless(axes).on(tiny):
        for verb, given, shift_in, shift_out in (
            (lambda x: tiny.predict(rows(x)), x, roll, roll),
            (tiny.decode, x, roll, by_pixels),
            (tiny.encode_images, pixels, by_pixels, roll),
        ):
            still, rolled = verb(given), verb(given.roll(shift_in, there))
            assert torch.allclose(still.roll(shift_out, there), rolled, atol=2e-4)
    assert not torch.allclose(tiny.decode(x).roll(by_pixels, there), tiny.decode(x.roll(roll, there)), atol=2e-4)


def test_rolling_along_the_other_axis_is_not_promised(tiny: Model) -> None:
    x = latents()
    with Seamless("x").on(tiny), torch.inference_mode():
        assert not torch.allclose(tiny.decode(x).roll(32, -2), tiny.decode(x.roll(4, -2)), atol=2e-4)


def test_with_and_without_in_one_engine_equal_each_alone(tiny: Model) -> None:
    tilings: tuple[Literal["", "x", "y", "xy"], ...] = ("", "x", "y", "xy", "", "xy")
    requests = [ask(seed=i, steps=3 + i % 2, seamless=axes) for i, axes in enumerate(tilings)]
    alone = [drawn_alone(tiny, request) for request in requests]
    kitchen = Kitchen(tiny)
    for i, request in enumerate(requests):
        kitchen.add(str(i), request)
    kitchen.finish()
    for i, expected in enumerate(alone):
        assert isinstance(kitchen.endings[str(i)], Done)
        assert psnr(expected, kitchen.latents[str(i)]) >= 80
    assert not torch.equal(drawn_alone(tiny, ask()), drawn_alone(tiny, ask(seamless="x")))
    assert kitchen.engine.forwards["Evaluate"] < sum(request.steps or 0 for request in requests)


@pytest.fixture(scope="module")
def starter() -> Model:
    return load_starter()


def seam(image: Tensor, axis: int) -> float:
    """How large the step across the edge is beside all but the largest twentieth of steps; (3, height, width)."""
    steps = image.diff(dim=axis).abs().mean(dim=(0, 3 - axis))
    across = (image.select(axis, 0) - image.select(axis, -1)).abs().mean()
    return float(across / steps.quantile(0.95))


def test_the_starter_s_pictures_meet_at_their_edges(starter: Model) -> None:
    """The step across the edge is like any other, where without tiling it is among the largest."""
    fields: dict[str, Any] = {"prompt": "a blue whale on a green background", "steps": 8, "seed": 1, "batch_size": 4}
    fields |= {"width": 128, "height": 128}
    seams: dict[str, float] = {}
    for axes in ("", "xy"):
        _, pictures = told(Request(**fields, seamless=axes), starter)
        pixels = to_pixels([picture.image for picture in pictures])
        seams[axes] = sum(seam(image, axis) for image in pixels for axis in (1, 2)) / 8
    assert seams["xy"] < 1
    assert seams["xy"] < 0.7 * seams[""]
