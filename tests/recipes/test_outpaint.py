"""Outpainting: pictures grow by exactly what was asked, and what was there stays bit for bit."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from PIL import Image

from easel.core.errors import BadValue
from easel.core.pictures import Outpaint
from easel.core.work import Evaluate
from easel.models.family import Model
from easel.prompt import infotext
from easel.recipes.common import check
from easel.recipes.growing import Margins, grown, passes_of
from tests.recipes.starting import calls, changed, encoded, levels, own_size, scene, start
from tests.recipes.telling import ask, close_at_every_yield, told
from tests.tiny import starter_side


def growing(image: Image.Image | None = None, **sides: Any) -> Any:
    return own_size(recipe="outpaint", start=start(image), outpaint=Outpaint(**sides), steps=2)


@pytest.mark.parametrize(
    "sides",
    [
        {"left": 24},
        {"right": 16, "feather": 0},
        {"top": 8, "bottom": 40},
        {"left": 8, "right": 8, "top": 8, "bottom": 8},
    ],
)
@pytest.mark.parametrize("size", [(64, 48), (61, 43)])
def test_old_pixels_are_bit_for_bit_outside_the_feather(
    tiny: Model, sides: dict[str, int], size: tuple[int, int]
) -> None:
    sides = {"feather": 6, **sides}
    image = scene(*size)
    _, (picture,) = told(growing(image, **sides), tiny)
    left, right, top, bottom = (sides.get(side, 0) for side in ("left", "right", "top", "bottom"))
    assert picture.image.size == (size[0] + left + right, size[1] + top + bottom)
    assert infotext.read(picture.infotext).fields["Size"] == "{}x{}".format(*picture.image.size)
    old = changed(picture.image.crop((left, top, left + size[0], top + size[1])), image)
    feather = sides["feather"]
    inner = [feather if side else 0 for side in (left, top, right, bottom)]
    assert not old[inner[1] : size[1] - inner[3], inner[0] : size[0] - inner[2]].any()


def test_a_pass_reaches_only_so_far(tiny: Model) -> None:
    works, (picture,) = told(growing(right=40, top=8, reach=16), tiny)
    assert encoded(works) == [(1, 3, 72, 80), (1, 3, 72, 96), (1, 3, 72, 104)]
    assert picture.image.size == (104, 72)
    assert calls(works) == 3 * 2
    steps = [
        (work.progress.step, work.progress.steps) for work in works if isinstance(work, Evaluate) and work.progress
    ]
    assert steps == [(step, 6) for step in range(6)]


def test_passes() -> None:
    grow = Outpaint(left=40, top=16)
    assert passes_of(grow, 16) == [Margins(16, 16, 0, 0), Margins(16, 0, 0, 0), Margins(8, 0, 0, 0)]
    assert passes_of(grow, 64) == [Margins(40, 16, 0, 0)]


def test_the_canvas_of_a_pass() -> None:
    canvas = grown(scene(20, 16), Margins(8, 0, 0, 0), 4, 8)
    assert canvas.working.size == (32, 16)  # 28, filled up to whole cells
    mask = numpy.asarray(canvas.mask)
    assert (mask[:, :8] == 255).all() and (mask[:, 12:28] == 0).all() and (mask[:, 28:] == 255).all()
    assert mask[0, 8:12].tolist() == sorted(mask[0, 8:12].tolist(), reverse=True)
    assert not changed(canvas.working.crop((8, 0, 28, 16)), scene(20, 16)).any()


def test_each_pass_has_noise_of_its_own(tiny: Model) -> None:
    works, _ = told(growing(scene(64, 64), right=8, left=8, top=8, bottom=8, reach=8), tiny)
    again, _ = told(growing(scene(64, 64), right=8, left=8, top=8, bottom=8, reach=8), tiny)
    first = [next(work.batch.x for work in one if isinstance(work, Evaluate)) for one in (works, again)]
    assert bool((first[0] == first[1]).all())


def test_picture_i_of_a_batch_is_the_same_alone(tiny: Model) -> None:
    asked: dict[str, Any] = {
        "recipe": "outpaint",
        "start": start(),
        "outpaint": Outpaint(right=24, reach=8),
        "sampler": "Euler a",
    }
    _, batch = told(own_size(**asked, batch_size=2), tiny)
    assert batch[0].image.tobytes() != batch[1].image.tobytes()
    for picture in batch:
        _, (alone,) = told(own_size(**asked, seed=picture.seed), tiny)
        assert abs(levels(alone.image) - levels(picture.image)).max() <= 1


def test_the_size_given_is_that_before_growing(tiny: Model) -> None:
    request = ask(recipe="outpaint", start=start(scene(100, 50)), outpaint=Outpaint(left=8), steps=2)
    assert told(request, tiny)[1][0].image.size == (72, 64)


def test_closing_at_every_yield(tiny_inpainting: Model) -> None:
    assert close_at_every_yield(growing(right=16, reach=8), tiny_inpainting) > 8


def test_new_places_are_painted_on_the_starter(starter: Model) -> None:
    side = starter_side()
    paper = Image.new("RGB", (side, side), (40, 90, 220))
    request = own_size(
        recipe="outpaint",
        prompt="a blue background",
        start=start(paper),
        outpaint=Outpaint(right=side // 4),
        steps=8,
    )
    (found,) = told(request, starter)[1]
    new = levels(found.image)[:, side:]
    assert new[..., 2].mean() > new[..., 0].mean() + 60
    assert new.std() > 0


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"outpaint": Outpaint(right=4096)}, "outpaint.right", "this makes 4160"),
        ({"start": start(scene(8, 4200))}, "start.image", "8x4200"),
        ({"start": start(resize="latent resize")}, "start.resize", "latent resize"),
        ({"outpaint": None}, "outpaint", "given"),
    ],
)
def test_what_is_refused_before_any_model(fields: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(BadValue) as caught:
        check(own_size(**{"recipe": "outpaint", "start": start(), "outpaint": Outpaint(right=8), **fields}))
    assert caught.value.field == field
    assert words in str(caught.value)


def test_no_side_is_refused_by_the_part_itself() -> None:
    with pytest.raises(BadValue, match="at least one side"):
        Outpaint(feather=4)
