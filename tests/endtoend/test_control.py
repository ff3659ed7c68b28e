"""The embedded model's own ControlNet is found by its name, and its pictures have the hint's edges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from easel.core.control import Control
from easel.core.passes import Guidance
from easel.media.hints import hint_of
from easel.media.reading import png_bytes
from easel.training.companions.agreement import edge_agreement
from tests.endtoend.house import House, ask
from tests.tiny import starter_side

SIDE = starter_side()
STARTER: dict[str, Any] = {
    "model": "starter",
    "width": SIDE,
    "height": SIDE,
    "steps": 12,
    "guidance": Guidance(scale=2.5),
}


@pytest.fixture(scope="module")
def shape() -> Image.Image:
    """A round thing with two ears, upside down from what the words ask for."""
    drawn = Image.new("RGB", (SIDE, SIDE), "white")
    pen = ImageDraw.Draw(drawn)

    def at(*numbers: int) -> list[float]:
        return [number * SIDE / 128 for number in numbers]

    pen.ellipse(at(34, 30, 94, 90), fill=(200, 40, 40))
    pen.polygon(at(40, 80, 48, 112, 62, 88), fill=(200, 40, 40))
    pen.polygon(at(88, 80, 80, 112, 66, 88), fill=(200, 40, 40))
    return drawn


def test_edges_lead_the_embedded_model(tmp_path: Path, shape: Image.Image) -> None:
    house = House(tmp_path)
    unit = Control(image=png_bytes(shape), preprocessor="canny", model="starter-edges")
    asked = {**STARTER, "prompt": "a red apple"}
    plain, led = house.draw(ask(**asked), ask(**asked, controls=(unit,)))
    hint = hint_of(shape, "canny")
    agreed = [edge_agreement(one.pictures[0].image, hint) for one in (plain, led)]
    assert agreed[1] > 0.5
    assert agreed[1] > agreed[0] + 0.2
    assert not list(tmp_path.iterdir()), "it stands with the embedded model"
