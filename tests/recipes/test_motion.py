"""Clips in recipes: frames drawn together in every pass, told in infotext, and refused by name where nothing moves."""

from __future__ import annotations

from typing import Any

import pytest

from easel.core.errors import OutOfMemory, UnknownName, Unsupported
from easel.core.motion import Motion
from easel.core.passes import Hires, Refiner, Shortcuts
from easel.core.pictures import Mask, Start
from easel.core.work import Evaluate
from easel.engine import runner
from easel.media.reading import png_bytes
from easel.prompt import infotext
from easel.prompt.recall import recall
from tests.adapters.motion.making import FRAMES, tiny_net, write_published
from tests.endtoend.house import House, ask, psnr
from tests.recipes.starting import box_mask, scene
from tests.tiny import write_tiny_sd

MOVING = Motion(model="tiny-motion")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A tiny model and a motion module as AnimateDiff writes it."""
    folder = tmp_path_factory.mktemp("house")
    write_tiny_sd(folder / "tiny")
    write_published(folder / "animatediff_models" / "tiny-motion.safetensors", tiny_net(groups=32))
    return House(folder)


def test_frames_are_coupled_and_no_strength_leaves_them_apart(house: House) -> None:
    moved, apart = house.one(batch_size=3, motion=MOVING), house.one(batch_size=3)
    assert len(moved.pictures) == 3
    assert [picture.seed for picture in moved.pictures] == [3, 4, 5]
    assert psnr(apart.latents, moved.latents) < 60
    none = house.one(batch_size=3, motion=MOVING.changed(strength=0.0))
    assert none.latents.equal(apart.latents)
    half = house.one(batch_size=3, motion=MOVING.changed(strength=0.5))
    assert psnr(apart.latents, half.latents) > psnr(apart.latents, moved.latents)


def test_clips_and_pictures_share_forwards_and_are_as_each_alone(house: House) -> None:
    requests = [
        ask(batch_size=4, motion=MOVING),
        ask(seed=9),
        ask(prompt="a fox AND a dog:0.5", batch_size=2, seed=20, motion=MOVING.changed(strength=0.6)),
        ask(batch_size=2, motion=MOVING, seed=30, guidance={"scale": 1}),
    ]
    together = house.draw(*requests)
    assert house.forwards["Evaluate"] < 3 * len(requests), "some are shared"
    for request, one in zip(requests, together, strict=True):
        assert one.error is None
        (alone,) = house.draw(request)
        assert psnr(alone.latents, one.latents) >= 80


def test_a_forward_that_is_too_wide_parts_clips_and_not_frames(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forward of three rows: a clip of five frames has those that lead in one, those that lead away in the other."""
    whole = house.one(batch_size=5, motion=MOVING)
    monkeypatch.setattr(runner, "EVALUATED", 3 * 4 * 4)
    parted = house.one(batch_size=5, motion=MOVING)
    assert psnr(whole.latents, parted.latents) >= 80


def test_a_clip_that_does_not_fit_the_memory_is_refused_in_one_line(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    widths: list[int] = []

    def predicted(model: Any, rows: Any) -> Any:
        widths.append(len(rows))
        raise MemoryError

    monkeypatch.setattr(runner, "predicted", predicted)
    (drawn,) = house.draw(ask(batch_size=4, motion=MOVING))
    assert isinstance(drawn.error, OutOfMemory)
    assert "smaller size or batch" in drawn.error.message
    assert widths == [8, 4], "both sides of guidance at once, one of them, and no less"


def test_a_clip_may_be_longer_than_its_module_sees(house: House) -> None:
    long, apart = (house.one(batch_size=FRAMES + 3, motion=motion) for motion in (MOVING, None))
    assert len(long.pictures) == FRAMES + 3
    assert all(psnr(one[None], other[None]) < 60 for one, other in zip(apart.latents, long.latents, strict=True))


def test_every_pass_and_recipe_that_takes_it_moves(house: House) -> None:
    def moving() -> list[bool]:
        return [any(work.batch.acts) for work in house.evaluations()]

    house.one(batch_size=2, motion=MOVING, hires=Hires(scale=2, steps=2))
    assert moving() == [True] * 5
    start = Start(image=png_bytes(scene(32, 32)), strength=0.99)
    house.one(recipe="image_to_image", start=start, batch_size=2, motion=MOVING)
    assert all(moving()) and moving()


def test_what_does_not_go_is_refused_by_name(house: House) -> None:
    start, mask = Start(image=png_bytes(scene(32, 32))), Mask(image=png_bytes(box_mask((8, 8, 24, 24), (32, 32))))
    for fields, error, words in (
        ({"recipe": "inpaint", "start": start, "mask": mask}, Unsupported, "inpaint has no use for motion"),
        ({"refiner": Refiner(model="tiny")}, Unsupported, "a refiner is another"),
        ({"shortcuts": Shortcuts(features_every=2)}, Unsupported, "layers in which motion couples"),
        ({"motion": Motion(model="nobody")}, UnknownName, "motion module 'nobody' is not known"),
    ):
        with pytest.raises(error, match=words):
            house.one(**{"batch_size": 2, "motion": MOVING, **fields})
    with pytest.raises(Unsupported, match="frames of one clip need another sampler"):
        house.one(batch_size=2, motion=MOVING, sampler="DPM adaptive")


def test_a_frame_tells_its_clip_and_the_clip_comes_back(house: House) -> None:
    asked = MOVING.changed(fps=12.5, format="gif", strength=0.75)
    drawn = house.one(batch_size=3, motion=asked)
    found = recall(infotext.read(drawn.pictures[1].infotext))
    assert found.ignored == {}
    request = found.request()
    assert (request.motion, request.batch_size, request.seed) == (asked, 3, 3)
    again = house.one(**found.fields)
    assert [one.infotext for one in again.pictures] == [one.infotext for one in drawn.pictures]
    assert again.latents.equal(drawn.latents)


def test_rows_of_a_clip_are_evaluated_in_one_piece_of_work(house: House) -> None:
    house.one(batch_size=4, motion=MOVING)
    assert all(isinstance(work, Evaluate) and work.rows == 8 for work in house.evaluations())
