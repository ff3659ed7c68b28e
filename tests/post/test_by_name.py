"""Learned upscalers by name wherever an upscaler is named, through a whole engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from easel.core.client import Done, EngineClient, Progressed
from easel.core.errors import UnknownName, Unsupported
from easel.core.finishing import Enlarge
from easel.core.passes import Hires
from easel.core.pictures import Start, Tiles
from easel.core.request import Request
from easel.core.result import Picture
from easel.core.settings import read_settings
from easel.engine.local import LocalClient
from easel.engine.shelf import Shelf
from easel.media.compare import difference
from easel.media.reading import png_bytes
from easel.models.library.names import STARTER, Library
from easel.post.enlarging import enlarge
from easel.prompt import infotext
from tests.post.performing import performed
from tests.post.upscalerfiles import compact, write


@pytest.fixture(scope="module")
def client(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineClient]:
    folder = tmp_path_factory.mktemp("models")
    write(folder / "ESRGAN" / "Quick.pth", compact().state_dict(), "params_ema")
    (folder / "tiny").symlink_to(tiny_folder)
    settings = read_settings(models=folder, device="cpu", precision="float32")
    opened = LocalClient(Shelf(Library(settings), settings))
    yield opened
    opened.close()


def drawn(client: EngineClient, **fields: Any) -> Picture:
    """Return the one picture of a quick request."""
    request = Request(**{"model": "tiny", "prompt": "a", "steps": 2, "seed": 1, "width": 64, "height": 64, **fields})
    ending = list(client.events(client.submit(request)))[-1]
    assert isinstance(ending, Done), ending
    return ending.result.pictures[0]


START = Start(image=png_bytes(Image.effect_noise((64, 48), 60).convert("RGB")), strength=0.5)


@pytest.mark.parametrize(
    ("fields", "size", "field"),
    [
        ({"hires": Hires(upscaler="quick", steps=2)}, (128, 128), "Hires upscaler"),
        (
            {"recipe": "tiled_upscale", "start": START, "tiles": Tiles(upscaler="Quick", overlap=16)},
            (128, 96),
            "SD upscale upscaler",
        ),
    ],
)
def test_a_learned_upscaler_draws_and_is_told_of(
    fields: dict[str, Any], size: tuple[int, int], field: str, client: EngineClient
) -> None:
    picture = drawn(client, **fields)
    assert picture.image.size == size
    assert infotext.read(picture.infotext).fields[field].casefold() == "quick"
    part = next(name for name in ("hires", "tiles") if name in fields)
    other = drawn(client, **{**fields, part: fields[part].model_copy(update={"upscaler": "Lanczos"})})
    assert picture.image.tobytes() != other.image.tobytes()


def test_tiles_are_told_while_they_are_made(client: EngineClient) -> None:
    part = Enlarge(upscaler="Quick", scale=4, tile=32)
    request = Request(recipe="process", start=Start(image=START.image), seed=1, enlarge=part)
    events = list(client.events(client.submit(request)))
    told = [(event.step, event.steps) for event in events if isinstance(event, Progressed)]
    assert isinstance(events[-1], Done), events[-1]
    assert told == [(step, 6) for step in range(6)]


def test_unknown_names_are_refused_when_they_are_asked_for(client: EngineClient) -> None:
    tiles = Tiles(upscaler="Quik", overlap=16)
    for fields in ({"hires": Hires(upscaler="Quik")}, {"recipe": "tiled_upscale", "start": START, "tiles": tiles}):
        with pytest.raises(UnknownName, match="upscaler 'Quik' is not known; nearest 'Quick'"):
            drawn(client, **fields)
    with pytest.raises(Unsupported, match="enlarges latents"):
        drawn(client, recipe="tiled_upscale", start=START, tiles=Tiles(upscaler="Latent"))


def test_the_starters_own_upscaler_is_at_hand_and_beats_bicubic() -> None:
    """On pictures that the starter drew, made smaller; training/companions/enlarging.py measures compositions."""
    settings = read_settings(device="cpu")
    shelf = Shelf(Library(settings), settings)
    sheet = Image.open(STARTER.parent / "sheet.webp").convert("RGB").crop((0, 0, 512, 256))
    small = sheet.resize((128, 64), Image.Resampling.BICUBIC)
    (found,), _ = performed(enlarge(Enlarge(upscaler="starter-x4", scale=4), [small]), shelf.load)
    ours, plain = difference(found, sheet), difference(small.resize(sheet.size, Image.Resampling.BICUBIC), sheet)
    assert ours is not None
    assert plain is not None
    assert ours.psnr >= plain.psnr + 1
