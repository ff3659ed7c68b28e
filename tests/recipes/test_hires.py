"""Hires fix: A1111's sizes and steps, both passes counted as one, and what each of its options changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from easel.core.errors import BadValue, UnknownName
from easel.core.passes import Guidance, Hires
from easel.core.work import Decode, Encode, EncodeImages, Evaluate, Finish, Wanted, Work
from easel.models.family import LatentFormat, Model
from easel.post.upscalers import upscalers
from easel.prompt import infotext
from easel.recipes.common import check, settle
from easel.recipes.hires import second_pass, target_of
from easel.recipes.leads import wanted_by
from easel.recipes.strength import steps_of
from tests.recipes.telling import ask, close_at_every_yield, told


def hires(**changes: Any) -> Hires:
    return Hires(**{"scale": 2, "steps": 3, **changes})


def calls(works: list[Work]) -> list[tuple[int, int, int]]:
    """Width, height and step of every evaluation."""
    return [
        (work.batch.x.shape[3] * 8, work.batch.x.shape[2] * 8, work.progress.step)
        for work in works
        if isinstance(work, Evaluate) and work.progress
    ]


@pytest.mark.parametrize(
    ("strength", "steps", "all_steps", "expected"),
    [
        (0.75, 20, False, (20, 4)),  # t = 15, 16 steps
        (1.0, 20, False, (20, 0)),
        (0.5, 20, False, (20, 9)),
        (0.01, 20, False, (20, 19)),
        (0.7, 20, True, (28, 8)),
        (0.5, 3, True, (6, 3)),
        (1.0, 20, True, (20, 0)),
        (0.3, 10, True, (33, 23)),
    ],
)
def test_steps_of_a_strength(strength: float, steps: int, all_steps: bool, expected: tuple[int, int]) -> None:
    assert steps_of(strength, steps, all_steps) == expected


@pytest.mark.parametrize(
    ("fields", "target"),
    [
        ({"scale": 2.0}, (24, 16, 0, 0)),
        ({"scale": 1.3}, (15, 10, 0, 0)),  # 124 x 83 pixels
        ({"width": 192}, (24, 16, 0, 0)),
        ({"height": 192}, (36, 24, 0, 0)),
        ({"width": 128, "height": 128}, (24, 16, 8, 0)),
        ({"width": 192, "height": 64}, (24, 16, 0, 8)),
        ({"width": 200, "height": 136}, (25, 17, 0, 0)),  # 204 wide, of which half a cell is no cell
    ],
)
def test_target_sizes_are_a1111_s(fields: dict[str, Any], target: tuple[int, int, int, int]) -> None:
    found = target_of(Hires(**fields), 96, 64)
    assert (found.columns, found.rows, found.cut_columns, found.cut_rows) == target


@pytest.mark.parametrize(
    ("fields", "target"),
    [
        ({"scale": 1.3}, (14, 10, 0, 0)),  # 124 x 83 pixels
        ({"width": 200}, (24, 16, 0, 0)),
        ({"width": 136, "height": 136}, (24, 16, 8, 0)),
        ({"width": 8, "height": 72}, (12, 8, 10, 0)),
    ],
)
def test_sides_are_cut_to_what_a_model_can_draw(fields: dict[str, Any], target: tuple[int, int, int, int]) -> None:
    found = target_of(Hires(**fields), 96, 64, LatentFormat(16, 8, 16))
    assert (found.columns, found.rows, found.cut_columns, found.cut_rows) == target


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"scale": 8.0}, "hires.scale is 8.0, allowed is a size of 8 to 4096 pixels a side; this asks for 8192x8192"),
        ({"width": 4096, "height": 8}, "4096x4096"),
    ],
)
def test_sizes_beyond_the_limit_are_refused(fields: dict[str, Any], words: str) -> None:
    request = ask(width=1024, height=1024, hires=Hires(**fields))
    if "8192" in words:
        with pytest.raises(BadValue, match=words):
            check(request)
    else:
        check(request)
    with pytest.raises(BadValue, match=r"hires.width is 8"):
        target_of(Hires(width=8), 96, 64)


def test_the_story_of_two_passes(tiny: Model) -> None:
    works, (picture,) = told(ask(hires=hires()), tiny)
    assert [type(work) for work in works] == [Encode, *[Evaluate] * 4, Encode, *[Evaluate] * 3, Decode, Finish]
    assert picture.image.size == (128, 128)
    assert calls(works) == [(64, 64, i) for i in range(4)] + [(128, 128, 4 + i) for i in range(3)]
    assert {work.progress.steps for work in works if isinstance(work, Evaluate) and work.progress} == {7}
    fields = infotext.read(picture.infotext).fields
    assert fields["Size"] == "64x64"
    assert fields["Denoising strength"] == "0.7"
    assert (fields["Hires upscale"], fields["Hires steps"], fields["Hires upscaler"]) == ("2.0", "3", "Latent")
    assert not {"Hires sampler", "Hires prompt", "Hires schedule type", "Hires CFG Scale"} & fields.keys()


def test_a_pixel_upscaler_decodes_and_encodes_between(tiny: Model) -> None:
    works, (picture,) = told(ask(hires=hires(upscaler="Lanczos")), tiny)
    kinds = [type(work) for work in works if not isinstance(work, Evaluate)]
    assert kinds == [Encode, Encode, Decode, Finish, EncodeImages, Decode, Finish]
    assert picture.image.size == (128, 128)


@pytest.mark.parametrize("upscaler", upscalers.names)
def test_every_upscaler_gives_the_size(tiny: Model, upscaler: str) -> None:
    _, (picture,) = told(ask(steps=1, hires=hires(steps=1, width=96, height=40, upscaler=upscaler)), tiny)
    assert picture.image.size == (96, 40)


def test_own_sampler_schedule_scale_and_words(tiny: Model) -> None:
    own = hires(
        sampler="Heun",
        schedule="Karras",
        schedule_options={"rho": 5},
        cfg_scale=1,
        prompt="a whale, [a:b:1.5]",
        negative_prompt="grey",
    )
    works, (picture,) = told(ask(sampler="Euler a", sampler_options={"eta": 0.5}, hires=own), tiny)
    rows = [work.rows for work in works if isinstance(work, Evaluate)]
    assert rows == [2] * 4 + [1] * 5  # Heun calls twice but for the last step, and a scale of 1 needs no negative
    second = next(work for work in works[1:] if isinstance(work, Encode))
    assert {text.text for text in second.texts} == {"a whale, a", "a whale, b", "grey"}
    fields = infotext.read(picture.infotext).fields
    assert (fields["Hires sampler"], fields["Hires schedule type"], fields["Hires CFG Scale"]) == (
        "Heun",
        "Karras",
        "1.0",
    )
    assert (fields["Hires prompt"], fields["Hires negative prompt"]) == ("a whale, [a:b:1.5]", "grey")
    assert (fields["Eta"], fields["Hires Schedule rho"]) == ("0.5", "5")


def test_prompt_editing_goes_on_in_the_second_pass(tiny: Model) -> None:
    """[a:b:5] of 4 + 3 calls changes at the first call of the second pass, [a:b:1.5] in the middle of it."""
    works, _ = told(ask(prompt="[a:b:5] [c:d:1.5]", hires=hires()), tiny)
    first, second = (work for work in works if isinstance(work, Encode))
    assert [text.text for text in first.texts][:1] == ["a c"]
    assert {text.text for text in second.texts} >= {"a c", "b d"}


def test_options_go_on_where_the_sampler_is_the_same(tiny: Model) -> None:
    request = ask(sampler="Euler a", sampler_options={"eta": 0.5}, schedule="Karras", hires=hires(schedule="karras"))
    settled = settle(request, tiny)
    second = second_pass(settled, tiny)
    assert second is not None
    assert (second.request.sampler_options, second.schedule) == ({"eta": 0.5}, "Karras")
    other = second_pass(settle(ask(**{**request.model_dump(), "hires": hires(sampler="Heun")}), tiny), tiny)
    assert other is not None
    assert other.request.sampler_options == {}
    assert other.schedule == "Karras"


def test_steps_and_strength(tiny: Model) -> None:
    """Steps are those made, and strength says from which level on; without steps of its own the first pass' serve."""
    settled = settle(ask(hires=Hires(strength=0.5)), tiny)
    second = second_pass(settled, tiny)
    assert second is not None
    assert len(second.sigmas) - 1 == 4
    assert len(second.whole) - 1 == 8
    assert second.sigmas == second.whole[4:]


def test_strength_zero_enlarges_and_one_starts_anew(tiny: Model) -> None:
    works, (enlarged,) = told(ask(hires=hires(strength=0)), tiny)
    assert len(calls(works)) == 4
    assert enlarged.image.size == (128, 128)
    _, (plain,) = told(ask(hires=hires(strength=0, upscaler="Latent (nearest)")), tiny)
    assert enlarged.image.tobytes() != plain.image.tobytes()
    works, _ = told(ask(hires=hires(strength=1)), tiny)
    evaluations = [work for work in works if isinstance(work, Evaluate)]
    assert float(evaluations[4].batch.sigma[0]) == pytest.approx(tiny.levels.sigma_max, rel=1e-3)


def test_too_weak_for_so_many_steps_is_said(tiny: Model) -> None:
    with pytest.raises(BadValue, match=r"hires.strength is 0.001, allowed is 0 or at least 0.003 with 3 steps"):
        told(ask(hires=hires(strength=0.001)), tiny)


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"sampler": "Eulr"}, UnknownName, "nearest 'Euler'"),
        ({"schedule": "Karas"}, UnknownName, "nearest 'Karras'"),
        ({"sampler": "Euler", "sampler_options": {"etta": 1}}, UnknownName, "option of Euler"),
    ],
)
def test_names_are_refused_before_any_model(fields: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        check(ask(hires=hires(**fields)))


def test_an_upscaler_that_no_registry_knows_is_wanted_from_files() -> None:
    assert Wanted("upscaler", "4x-Any") in wanted_by(ask(hires=hires(upscaler="4x-Any")))
    assert not any(wanted.kind == "upscaler" for wanted in wanted_by(ask(hires=hires(upscaler="lanczos"))))


@pytest.mark.parametrize("upscaler", ["Latent", "Lanczos"])
def test_picture_i_of_a_batch_is_the_picture_made_alone(tiny: Model, upscaler: str) -> None:
    request = ask(batch_size=2, sampler="DPM++ 2M SDE", hires=hires(upscaler=upscaler, strength=0.5))
    _, batch = told(request, tiny)
    for i, picture in enumerate(batch):
        _, (alone,) = told(request.one(i), tiny)
        difference = torch.tensor(list(alone.image.tobytes())).sub(torch.tensor(list(picture.image.tobytes())))
        assert int(difference.abs().max()) <= 2
        assert alone.seed == picture.seed


@pytest.mark.parametrize("upscaler", ["Latent", "Lanczos"])
def test_closing_at_every_yield_leaves_nothing_behind(tiny: Model, upscaler: str) -> None:
    request = ask(preview_every=2, seamless="x", guidance=Guidance(scale=3), hires=hires(upscaler=upscaler))
    close_at_every_yield(request, tiny)


@pytest.mark.parametrize("upscaler", ["Latent", "Lanczos"])
def test_an_inpainting_checkpoint_paints_all_over_in_both_passes(tiny_inpainting: Model, upscaler: str) -> None:
    works, pictures = told(ask(batch_size=2, hires=hires(upscaler=upscaler)), tiny_inpainting)
    assert [picture.image.size for picture in pictures] == [(128, 128)] * 2
    shapes = [tuple(work.batch.extra["inpaint"].shape[1:]) for work in works if isinstance(work, Evaluate)]
    assert shapes == [(5, 8, 8)] * 4 + [(5, 16, 16)] * 3
