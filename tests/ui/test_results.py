"""What the panel of results asks of the house: whole presses of the button, and pictures to their owners alone."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import pytest

from easel.core.caller import Caller
from easel.core.detail import Detail
from easel.core.errors import BadValue, UnknownJob
from easel.core.finishing import Background, Enlarge
from easel.core.pictures import Start
from easel.core.request import Request
from easel.ui.create import AGAIN, PLAIN, TILES, larger
from easel.ui.house import House
from easel.ui.results import chosen_of, queued, sent
from tests.ui.houses import ended, house_in


@pytest.fixture
def house(tmp_path: Path) -> Generator[House]:
    with house_in(tmp_path) as made:
        yield made


def asker(name: str = "", admin: bool = True) -> gr.Request:
    """Return what an event brings of who asks."""
    return gr.Request(request=cast(Any, SimpleNamespace(state=SimpleNamespace(caller=Caller(name, admin)))))


@dataclass
class Brought:
    """What an event brings."""

    _data: Any


def test_a_press_queues_all_or_nothing(house: House) -> None:
    def check(request: Request) -> None:
        if request.prompt == "bad":
            raise BadValue("prompt", "bad", "good")

    strict = replace(house, check=check)
    with pytest.raises(BadValue):
        queued(strict, [Request(prompt="good"), Request(prompt="bad")], asker())
    assert house.store.list() == []
    told = queued(strict, [Request(prompt="a"), Request(prompt="b", batch_size=3)], asker("ann", False))
    assert [one["pictures"] for one in told] == [1, 3]
    assert {job.user for job in house.store.list()} == {"ann"}


def test_a_picture_is_sent_with_its_own_settings(house: House) -> None:
    job = ended(house.store, house.album, Request(prompt="a fox", seed=5, batch_size=3, width=64, height=64))
    found = sent(house, {"job": job.id, "number": 2}, asker())
    assert found.request is not None
    assert (found.request.seed, found.request.batch_size, found.request.prompt) == (7, 1, "a fox")
    assert found.picture == house.album / job.pictures[2].file


@pytest.mark.parametrize("told", [{"job": "nobody's", "number": 0}, {"number": 0}, {}])
def test_what_is_not_there_is_not_sent(house: House, told: dict[str, Any]) -> None:
    with pytest.raises(UnknownJob):
        sent(house, told, asker())


@pytest.mark.parametrize("number", [-1, 1, "0", None, 0.5])
def test_a_number_that_no_picture_has_is_not_sent(house: House, number: Any) -> None:
    job = ended(house.store, house.album, Request(seed=5, width=64, height=64))
    with pytest.raises(UnknownJob):
        sent(house, {"job": job.id, "number": number}, asker())


def test_others_pictures_are_not_sent(house: House) -> None:
    job = ended(house.store, house.album, Request(seed=5, width=64, height=64), user="ann")
    told = {"job": job.id, "number": 0}
    assert sent(house, told, asker("ann", False)).job == job.id
    with pytest.raises(UnknownJob):
        chosen_of(house, cast(gr.EventData, Brought({"pictures": [told]})), asker("bob", False))


def test_what_was_chosen_is_drawn_larger_in_three_ways(house: House) -> None:
    finishing = {"details": (Detail(find="face"),), "enlarge": Enlarge(), "background": Background()}
    job = ended(house.store, house.album, Request(prompt="a fox", seed=5, width=64, height=64, **finishing))
    one = sent(house, {"job": job.id, "number": 0}, asker())
    again = larger(one, AGAIN, 2.0, 0.5, "Lanczos")
    assert again.hires is not None
    assert (again.seed, again.prompt, again.hires.strength) == (5, "a fox", 0.5)
    tiled = larger(one, TILES, 3.0, 0.25, "Lanczos")
    assert (tiled.recipe, tiled.hires) == ("tiled_upscale", None)
    assert tiled.start is not None and tiled.tiles is not None
    assert (tiled.start.image, tiled.tiles.scale) == (one.picture.read_bytes(), 3.0)  # type: ignore[union-attr]
    assert (again.details, again.background) == (finishing["details"], Background())
    assert (tiled.details, tiled.enlarge, tiled.background) == ((), None, None)  # that was done already
    plain = larger(one, PLAIN, 4.0, 0.25, "Nearest")
    assert (plain.recipe, plain.enlarge, plain.details) == ("process", Enlarge(scale=4, upscaler="Nearest"), ())


def test_a_picture_from_a_picture_is_enlarged_by_tiles(house: House) -> None:
    drawn = Request(seed=5, width=64, height=64)
    job = ended(house.store, house.album, drawn)
    one = sent(house, {"job": job.id, "number": 0}, asker())
    edited = replace(one, request=drawn.changed(recipe="image_to_image", start=Start(image=b"picture")))
    assert larger(edited, AGAIN, 2.0, 0.5, "Lanczos").recipe == "tiled_upscale"
