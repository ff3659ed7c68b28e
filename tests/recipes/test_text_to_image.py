"""Pictures from words, end to end on real components at tiny size."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from easel.core.errors import BadValue, UnknownName, Unsupported
from easel.core.passes import Guidance
from easel.core.request import Request
from easel.core.work import Decode, Encode, Evaluate, Finish
from easel.models.family import Model
from easel.prompt import infotext
from easel.recipes import recipes
from easel.recipes.common import check
from easel.recipes.passes import step_at
from tests.recipes.telling import ask, close_at_every_yield, told


def test_the_story(tiny: Model) -> None:
    works, (picture,) = told(ask(), tiny)
    assert [type(work) for work in works] == [Encode, *[Evaluate] * 4, Decode, Finish]
    assert picture.image.size == (64, 64)
    read = infotext.read(picture.infotext)
    assert read.prompt == "a fox"
    assert read.fields["Seed"] == "3"
    assert read.fields["Sampler"] == "DPM++ 2M"
    assert read.fields["Size"] == "64x64"


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ SDE", "DPM adaptive"])
def test_picture_i_of_a_batch_is_the_picture_of_seed_plus_i(tiny: Model, sampler: str) -> None:
    _, batch = told(ask(sampler=sampler, batch_size=3), tiny)
    assert [picture.seed for picture in batch] == [3, 4, 5]
    for picture in batch:
        _, (alone,) = told(ask(sampler=sampler, seed=picture.seed), tiny)
        difference = torch.tensor(list(alone.image.tobytes())).sub(torch.tensor(list(picture.image.tobytes())))
        assert int(difference.abs().max()) <= 1


def test_unequal_sides_and_long_prompts(tiny: Model) -> None:
    """A positive of several chunks and a short negative differ in length, so they are asked one after the other."""
    request = ask(prompt="very long " * 60, width=96, height=40)
    works, (picture,) = told(request, tiny)
    assert picture.image.size == (96, 40)
    lengths = [work.batch.context.shape[1] // 77 for work in works if isinstance(work, Evaluate)]
    assert len(set(lengths)) == 2
    assert len(lengths) == 2 * 4


def test_scale_one_leaves_the_negative_out(tiny: Model) -> None:
    works, _ = told(ask(guidance=Guidance(scale=1)), tiny)
    assert {work.rows for work in works if isinstance(work, Evaluate)} == {1}


def test_guidance_interval_saves_rows(tiny: Model) -> None:
    request = ask(guidance=Guidance(scale=5, start=0.25, end=0.75))
    works, (picture,) = told(request, tiny)
    assert [work.rows for work in works if isinstance(work, Evaluate)] == [1, 2, 2, 1]
    assert infotext.read(picture.infotext).fields["CFG interval"] == "0.25-0.75"


def test_options_reach_sampler_and_infotext(tiny: Model) -> None:
    plain = ask(sampler="Euler a")
    changed = ask(sampler="Euler a", sampler_options={"eta": 0.0})
    _, (first,) = told(plain, tiny)
    _, (second,) = told(changed, tiny)
    assert first.image.tobytes() != second.image.tobytes()
    assert infotext.read(second.infotext).fields["Eta"] == "0.0"


def test_previews_come_when_asked(tiny: Model) -> None:
    works, _ = told(ask(preview_every=2, steps=6), tiny)
    previews = [work.progress.preview for work in works if isinstance(work, Evaluate) and work.progress]
    assert [preview is not None for preview in previews] == [False, False, False, True, False, True]
    assert previews[3] is not None
    assert previews[3].size == (64, 64)


def test_closing_at_every_yield_leaves_nothing_behind(tiny: Model) -> None:
    request = ask(preview_every=1)
    close_at_every_yield(request, tiny)


def test_an_error_thrown_into_a_recipe_ends_it(tiny: Model) -> None:
    story = recipes["txt2img"].make(ask(), tiny)
    next(story)
    with pytest.raises(MemoryError):
        story.throw(MemoryError())


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"sampler": "dpm++2m"}, UnknownName, "nearest 'DPM++ 2M'"),
        ({"schedule": "karas"}, UnknownName, "nearest 'Karras'"),
        ({"recipe": "text_to_imge"}, UnknownName, "nearest 'text_to_image'"),
        ({"sampler": "Euler", "sampler_options": {"etta": 1.0}}, UnknownName, "option of Euler 'etta'"),
        ({"sampler": "Euler a", "sampler_options": {"eta": "much"}}, BadValue, "a finite number"),
        ({"sampler": "Euler a", "sampler_options": {"eta": -1.0}}, BadValue, "option eta of Euler a is -1.0"),
    ],
)
def test_what_can_be_told_without_a_model_is_refused_at_once(
    fields: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words.replace("+", r"\+")):
        check(Request(prompt="a fox", **fields))


def test_old_joint_names_bring_their_schedule(tiny: Model) -> None:
    _, (picture,) = told(ask(sampler="DPM++ 2M SDE Karras"), tiny)
    fields = infotext.read(picture.infotext).fields
    assert (fields["Sampler"], fields["Schedule type"]) == ("DPM++ 2M SDE", "Karras")


def test_progress_never_goes_back(tiny: Model) -> None:
    works, _ = told(ask(sampler="Restart", steps=24), tiny)
    steps = [work.progress.step for work in works if isinstance(work, Evaluate) and work.progress]
    assert steps == sorted(steps)


def test_options_of_a_model_s_own_sampler_are_checked(tiny: Model) -> None:
    with pytest.raises(UnknownName, match=r"option of DPM\+\+ 2M 'etta'"):
        told(ask(sampler_options={"etta": 1.0}), tiny)


def test_steps_are_told_from_sigmas() -> None:
    sigmas = (10.0, 5.0, 2.0, 0.0)
    assert [step_at(sigmas, sigma) for sigma in (11.0, 10.0, 7.0, 5.0, 2.0, 1.0)] == [0, 0, 0, 1, 2, 2]


def test_networks_that_cannot_be_worn_are_refused_by_name() -> None:
    with pytest.raises(Unsupported, match="<hypernet:snow> cannot be used"):
        check(Request(prompt="a fox <hypernet:snow:0.8>"))
    with pytest.raises(Unsupported, match="<lora:snow> stands in the negative prompt"):
        check(Request(prompt="a fox", negative_prompt="<lora:snow:0.8>"))
    check(Request(prompt="a fox, easy <lora:snow> # <hypernet:commented:1>"))


def test_too_many_ands_are_refused() -> None:
    with pytest.raises(BadValue, match="100 parts joined by AND"):
        check(Request(prompt=" AND ".join(["a"] * 100)))
