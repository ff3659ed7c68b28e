"""Pictures from pictures: A1111's steps, sizes and noise, and their effect on pixels."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from PIL import Image

from easel.core.errors import BadValue, Unsupported
from easel.core.pictures import Start
from easel.core.work import Decode, Encode, EncodeImages, Evaluate, Finish
from easel.media.reading import png_bytes
from easel.models.family import Model
from easel.prompt import infotext
from easel.recipes.common import check
from tests.recipes.starting import calls, encoded, levels, own_size, scene, start
from tests.recipes.telling import ask, close_at_every_yield, told
from tests.tiny import starter_side


def test_the_story(tiny: Model) -> None:
    works, (picture,) = told(ask(recipe="img2img", start=start(strength=0.6), steps=5), tiny)
    assert [type(work) for work in works] == [Encode, EncodeImages, *[Evaluate] * 4, Decode, Finish]
    fields = infotext.read(picture.infotext).fields
    assert (fields["Denoising strength"], fields["Size"], fields["Steps"]) == ("0.6", "64x64", "5")


@pytest.mark.parametrize("sampler", ["Euler", "DPM++ 2M", "Heun", "DPM2 a", "DPM++ SDE", "LMS"])
@pytest.mark.parametrize(
    ("strength", "steps"), [(0.0, 8), (0.1, 8), (0.3, 8), (0.5, 7), (0.75, 8), (0.99, 8), (1.0, 8), (1.0, 1)]
)
def test_steps_are_a1111_s(tiny: Model, sampler: str, strength: float, steps: int) -> None:
    """int(min(strength, 0.999) * steps) + 1 steps; second-order samplers call twice but in the last."""
    works, _ = told(ask(recipe="img2img", start=start(strength=strength), steps=steps, sampler=sampler), tiny)
    made = int(min(strength, 0.999) * steps) + 1
    twice = sampler in ("Heun", "DPM2 a", "DPM++ SDE")
    assert calls(works) == (2 * made - 1 if twice else made)


@pytest.mark.parametrize(("strength", "steps"), [(0.5, 6), (0.3, 4), (1.0, 5), (0.77, 3), (0.0, 4)])
def test_all_steps_are_taken_when_asked(tiny: Model, strength: float, steps: int) -> None:
    request = ask(recipe="img2img", start=start(strength=strength, all_steps=True), steps=steps, sampler="Euler")
    works, _ = told(request, tiny)
    assert calls(works) == (steps if strength else 1)


def test_the_levels_are_the_end_of_the_whole_schedule(tiny: Model) -> None:
    whole, _ = told(ask(steps=8, sampler="Euler"), tiny)
    part, _ = told(ask(recipe="img2img", start=start(strength=0.5), steps=8, sampler="Euler"), tiny)
    sigmas = [[float(work.batch.sigma[0]) for work in works if isinstance(work, Evaluate)] for works in (whole, part)]
    assert sigmas[1] == sigmas[0][3:]


def test_too_many_steps_are_refused_in_words(tiny: Model) -> None:
    request = ask(recipe="img2img", start=start(strength=0.001, all_steps=True), steps=20)
    with pytest.raises(BadValue, match=r"start\.strength is 0\.001"):
        told(request, tiny)


def test_strength_is_distance(starter: Model) -> None:
    side = starter_side()
    (fox,) = told(ask(prompt="a fox", seed=7, steps=8, width=side, height=side), starter)[1]
    distances: list[float] = []
    for strength in (0.0, 0.3, 0.6, 0.95):
        request = own_size(
            recipe="img2img",
            prompt="a fox on a blue background",
            start=start(fox.image, strength=strength),
            seed=7,
            steps=8,
        )
        (found,) = told(request, starter)[1]
        distances.append(float(abs(levels(found.image) - levels(fox.image)).mean()))
    assert distances == sorted(distances)
    assert distances[0] < 15 and distances[-1] > 25


def test_the_size_is_the_picture_s_cut_to_multiples_of_8(tiny: Model) -> None:
    works, (picture,) = told(own_size(recipe="img2img", start=start(scene(75, 43))), tiny)
    assert picture.image.size == (72, 40)
    assert encoded(works) == [(1, 3, 40, 72)]


@pytest.mark.parametrize("size", [(1, 1), (7, 200), (9, 8)])
def test_small_pictures_work(tiny: Model, size: tuple[int, int]) -> None:
    _, (picture,) = told(own_size(recipe="img2img", start=start(scene(*size))), tiny)
    assert picture.image.size == tuple(max(side // 8 * 8, 8) for side in size)


@pytest.mark.parametrize("resize", ["just resize", "crop and resize", "resize and fill", "latent resize"])
def test_resize_modes(tiny: Model, resize: Any) -> None:
    request = ask(recipe="img2img", start=start(scene(100, 50), resize=resize, strength=0.0), width=64, height=48)
    works, (picture,) = told(request, tiny)
    assert picture.image.size == (64, 48)
    assert encoded(works) == [(1, 3, 48, 96) if resize == "latent resize" else (1, 3, 48, 64)]
    name = infotext.read(picture.infotext).fields.get("Resize mode")
    assert name == (None if resize == "just resize" else resize.capitalize())


def test_resize_modes_differ(tiny: Model) -> None:
    images = [
        told(ask(recipe="img2img", start=start(scene(100, 50), resize=mode, strength=0.1)), tiny)[1][0].image.tobytes()
        for mode in ("just resize", "crop and resize", "resize and fill", "latent resize")
    ]
    assert len(set(images)) == 4


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ SDE", "DPM adaptive"])
def test_picture_i_of_a_batch_is_the_same_alone(tiny: Model, sampler: str) -> None:
    asked: dict[str, Any] = {"recipe": "img2img", "start": start(strength=0.5), "sampler": sampler}
    _, batch = told(ask(**asked, batch_size=3), tiny)
    for picture in batch:
        _, (alone,) = told(ask(**asked, seed=picture.seed), tiny)
        assert abs(levels(alone.image) - levels(picture.image)).max() <= 1


def first_noise(tiny: Model, **fields: Any) -> Any:
    works, _ = told(ask(recipe="img2img", start=start(strength=0.5, **fields)), tiny)
    return next(work.batch for work in works if isinstance(work, Evaluate))


def test_noise_is_multiplied_and_added(tiny: Model) -> None:
    """x = latents + noise sigma, times the multiplier; extra noise is the same noise once more."""
    none, plain = first_noise(tiny, noise_multiplier=0.0), first_noise(tiny)
    half, extra = first_noise(tiny, noise_multiplier=0.5), first_noise(tiny, noise_multiplier=0.5, extra_noise=0.25)
    sigma = float(plain.sigma[0])
    noise = (plain.x - none.x) / sigma
    assert abs(float(noise.std()) - 1) < 0.2
    assert (half.x - none.x - noise * sigma / 2).abs().max() < 1e-3
    assert (extra.x - half.x - noise * 0.5 * 0.25).abs().max() < 1e-3


def test_colours_are_matched(tiny: Model) -> None:
    red = Image.fromarray((levels(scene()) * (1, 0.2, 0.2)).astype(numpy.uint8))
    pictures = [
        told(ask(recipe="img2img", start=start(red, strength=1.0, match_colours=wish)), tiny)[1][0]
        for wish in (False, True)
    ]
    lead = [float(levels(picture.image)[..., 0].mean() - levels(picture.image)[..., 1].mean()) for picture in pictures]
    assert lead[1] > lead[0] + 20


def test_options_stand_in_the_infotext(tiny: Model) -> None:
    given = start(strength=0.5, noise_multiplier=0.9, extra_noise=0.1, all_steps=True, match_colours=True)
    _, (picture,) = told(ask(recipe="img2img", start=given), tiny)
    fields = infotext.read(picture.infotext).fields
    assert (fields["Noise multiplier"], fields["Extra noise"], fields["All steps"]) == ("0.9", "0.1", "True")


def test_transparency_is_white(tiny: Model) -> None:
    clear, white = Image.new("RGBA", (64, 64)), Image.new("RGB", (64, 64), "white")
    found = [told(ask(recipe="img2img", start=start(image)), tiny)[1][0].image.tobytes() for image in (clear, white)]
    assert found[0] == found[1]


def test_closing_at_every_yield(tiny: Model) -> None:
    assert close_at_every_yield(ask(recipe="img2img", start=start(), preview_every=1), tiny) > 6


def test_progress_runs_over_the_steps_that_are_made(tiny: Model) -> None:
    works, _ = told(ask(recipe="img2img", start=start(strength=0.5), steps=8), tiny)
    steps = [
        (work.progress.step, work.progress.steps) for work in works if isinstance(work, Evaluate) and work.progress
    ]
    assert steps == [(step, 5) for step in range(5)]


def test_prompt_editing_counts_calls_from_the_first_made(tiny: Model) -> None:
    """As in A1111: the switch comes where it would in a whole run, counted from this run's first call."""
    works, _ = told(ask(recipe="img2img", prompt="[a fox:a cat:0.5]", start=start(strength=0.99), steps=8), tiny)
    contexts = [work.batch.context[0] for work in works if isinstance(work, Evaluate)]
    alike = [bool((context == contexts[0]).all()) for context in contexts]
    assert alike == [True] * 5 + [False] * 3


def test_inpainting_checkpoints_are_told_that_all_is_painted(tiny_inpainting: Model) -> None:
    works, _ = told(ask(recipe="img2img", start=start()), tiny_inpainting)
    extra = next(work.batch.extra["inpaint"] for work in works if isinstance(work, Evaluate))
    assert extra.shape == (2, 5, 8, 8)
    assert bool((extra[:, 0] == 1).all())


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({}, BadValue, "start is None, allowed is given"),
        ({"start": Start(image=b"nonsense")}, BadValue, "start.image is 'not such a picture'"),
        ({"start": Start(image=png_bytes(scene())[:200])}, BadValue, "start.image is"),
        ({"start": start(Image.new("RGB", (20_000, 8)))}, BadValue, "start.image is '20000x8'"),
        ({"start": start(Image.new("RGB", (5000, 16)))}, BadValue, "start.image is '5000x16'"),
        ({"start": start(Image.new("RGB", (5000, 16)), resize="latent resize"), "width": 64}, BadValue, "5000x16"),
        ({"start": start(), "hires": {}}, Unsupported, "no use for hires"),
    ],
)
def test_what_is_refused_before_any_model(fields: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        check(own_size(recipe="img2img", **fields))
    assert words in str(caught.value)


def test_a_large_picture_is_welcome_at_a_given_size() -> None:
    check(ask(recipe="img2img", start=start(Image.new("RGB", (5000, 16)))))


def test_start_belongs_to_recipes_that_take_it() -> None:
    with pytest.raises(Unsupported, match="text_to_image has no use for start"):
        check(ask(start=start()))
