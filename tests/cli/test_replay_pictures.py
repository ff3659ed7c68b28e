"""`easel replay` of pictures that others led: these are in no metadata, are asked for by name, and bring it back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from easel.app import open_client
from easel.core.client import Done
from easel.core.control import Control
from easel.core.request import Request
from easel.core.settings import read_settings
from easel.media.metadata import encode
from tests.cli.conftest import Easel
from tests.tiny import tiny_folder as tiny_folder

PLACE = "controls.0.image"


@pytest.fixture
def led(home: Path, tiny_folder: Path) -> Path:
    """Return a picture that the tiny model has drawn after a reference, which stands beside it as ref.png."""
    shutil.copytree(tiny_folder, home / "models" / "tiny")
    reference = encode(Image.linear_gradient("L").resize((32, 32)).convert("RGB"))
    (home / "ref.png").write_bytes(reference)
    unit = Control(image=reference, preprocessor="reference_only", weight=0.8, end=0.7, options={"fidelity": 0.25})
    request = Request(prompt="a fox", model="tiny", steps=3, seed=7, width=32, height=32, controls=(unit,), alone=True)
    client = open_client(read_settings())
    *_, last = client.events(client.submit(request))
    client.close()
    assert isinstance(last, Done)
    (picture,) = last.result.pictures
    (home / "fox.png").write_bytes(encode(picture.image, picture.infotext))
    return home / "fox.png"


def test_with_its_pictures_it_comes_back_bit_for_bit(easel: Easel, led: Path) -> None:
    ending = easel("replay", str(led), "--with", f"{PLACE}=ref.png")
    assert (ending.code, ending.lines) == (0, ["equal, bit for bit: all 1,024 pixels"]), ending.err


def test_what_it_needs_is_told(easel: Easel, led: Path) -> None:
    ending = easel("replay", str(led))
    assert ending.code == 2 and f"give --with {PLACE}=FILE." in ending.err
    for wrong, told in (("controls.1.image=ref.png", f"made with {PLACE}."), (f"{PLACE}=nowhere.png", "nowhere.png")):
        ending = easel("replay", str(led), "--with", wrong)
        assert ending.code == 2 and told in ending.err and "\n" not in ending.err.strip()
    assert json.loads(easel("info", str(led), "--json").out)["needs"] == [PLACE]
