"""Whole requests with image prompts: from the bytes of a picture to the picture drawn, by the recipe itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageChops

from easel.adapters.pictures.adapter import ImagePromptAdapter
from easel.adapters.pictures.loading import load_image_prompt
from easel.core.errors import BadValue
from easel.core.result import Picture
from easel.core.work import Evaluate, Load, Wanted, Work
from easel.engine.runner import performer
from easel.models.family import Model
from easel.models.vision import Tower
from easel.recipes.controlled import check_leads
from tests.adapters.pictures.making import asked, image_prompt, picture, png, write_image_prompt
from tests.recipes.telling import ask, told

Told = Callable[..., tuple[list[Work], Picture]]


@pytest.fixture
def adapter(model: Any, tmp_path: Path) -> ImagePromptAdapter:
    nested = image_prompt("plus", model.unet)
    return load_image_prompt(write_image_prompt(tmp_path / "picture.safetensors", nested), model.machine)


@pytest.fixture
def tell(model: Model, adapter: ImagePromptAdapter, tower: Tower) -> Told:
    """Tell a request whose image prompt and reader are there."""
    there: Mapping[str, Any] = {"ip_adapter": adapter, "clip_vision": tower}

    def load(wanted: Wanted) -> Any:
        return there[wanted.kind]

    def told_of(**changes: Any) -> tuple[list[Work], Picture]:
        works, (drawn,) = told(ask(**changes), model, performer(load))
        return works, drawn

    return told_of


def differ(one: Picture, other: Picture) -> bool:
    return one.image.tobytes() != other.image.tobytes()


def led(works: list[Work]) -> list[bool]:
    """Whether each evaluation's rows are led."""
    return [bool(work.batch.acts) for work in works if isinstance(work, Evaluate)]


@torch.inference_mode()
def test_pictures_lead_in_their_steps(tell: Told) -> None:
    plain = tell()[1]
    works, drawn = tell(image_prompts=[asked(picture(1))])
    assert differ(drawn, plain)
    assert set(led(works)) == {True}
    assert differ(tell(image_prompts=[asked(picture(2))])[1], drawn)
    works, half = tell(image_prompts=[asked(picture(1), end=0.5)])
    assert led(works)[0]
    assert not led(works)[-1]
    assert differ(half, drawn)


@torch.inference_mode()
def test_without_weight_nothing_is_loaded_and_nothing_changes(tell: Told) -> None:
    works, drawn = tell(image_prompts=[asked(picture(1), weight=0)])
    assert not any(isinstance(work, Load) for work in works)
    assert not differ(drawn, tell()[1])


@torch.inference_mode()
def test_a_region_of_the_picture_drawn(tell: Told) -> None:
    """Sides that are not alike, and two image prompts each in a half."""

    left, right = Image.new("L", (64, 96)), Image.new("L", (64, 96))
    left.paste(255, (0, 0, 32, 96))
    right.paste(255, (32, 0, 64, 96))
    both = [asked(picture(1), region=png(left)), asked(picture(2), region=png(right))]
    one, other = (tell(height=96, image_prompts=some)[1] for some in (both, both[::-1]))
    assert not any(ImageChops.difference(one.image, other.image).convert("L").histogram()[2:])  # but for rounding
    assert differ(one, tell(height=96, image_prompts=both[:1])[1])


def test_what_is_no_picture_is_told_before_anything_runs() -> None:
    request = ask(image_prompts=[asked(picture(1)), asked(b"nothing")])
    with pytest.raises(BadValue, match=r"image_prompts\[1\]\.images is 'not such a picture'"):
        check_leads(request, "text_to_image")
