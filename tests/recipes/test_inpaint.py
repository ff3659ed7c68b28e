"""Inpainting: what the mask leaves alone comes back bit for bit, and every option of a mask does something."""

from __future__ import annotations

import io
from typing import Any

import numpy
import pytest
import torch
from PIL import Image

from easel.core.errors import BadValue
from easel.core.pictures import Mask, Soft
from easel.core.work import Evaluate
from easel.media import masks
from easel.media.reading import png_bytes
from easel.models.family import Model
from easel.prompt import infotext
from easel.recipes.common import check
from easel.recipes.soft import change_at, melted, pasting
from tests.recipes.starting import (
    box_mask,
    calls,
    changed,
    encoded,
    levels,
    own_size,
    scene,
    start,
)
from tests.recipes.telling import ask, close_at_every_yield, told

BOX = (16, 24, 40, 48)


def masked(image: Image.Image | None = None, **fields: Any) -> Mask:
    return Mask(image=png_bytes(image or box_mask(BOX)), **fields)


def painted(model: Model, mask: Mask, image: Image.Image | None = None, **fields: Any) -> Image.Image:
    strength = fields.pop("strength", 0.75)
    request = own_size(recipe="inpaint", start=start(image, strength=strength), mask=mask, **fields)
    check(request)
    return told(request, model)[1][0].image


@pytest.mark.parametrize("fill", ["fill", "original", "latent noise", "latent nothing"])
@pytest.mark.parametrize("only_masked", [False, True])
@pytest.mark.parametrize("soft", [None, Soft()])
@pytest.mark.parametrize("blur", [0.0, 3.0])
def test_the_rest_is_bit_for_bit(tiny: Model, fill: Any, only_masked: bool, soft: Soft | None, blur: float) -> None:
    mask = masked(fill=fill, only_masked=only_masked, soft=soft, blur=blur, padding=8)
    found = painted(tiny, mask)
    reached = numpy.asarray(masks.blurred(box_mask(BOX), blur)) > 0
    assert not changed(found, scene())[~reached].any()
    assert changed(found, scene())[30:42, 22:34].mean() > 0.9


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ SDE", "Heun", "UniPC", "LCM", "Euler CFG++", "DPM adaptive"])
def test_whatever_the_sampler(tiny: Model, sampler: str) -> None:
    found = painted(tiny, masked(blur=0.0), sampler=sampler)
    assert not changed(found, scene())[numpy.asarray(box_mask(BOX)) == 0].any()


def test_invert_paints_the_rest(tiny: Model) -> None:
    found = changed(painted(tiny, masked(invert=True, blur=0.0)), scene())
    inside = numpy.asarray(box_mask(BOX)) > 0
    assert not found[inside].any() and found[~inside].mean() > 0.9


def test_evaluations_are_held_to_the_picture(tiny: Model) -> None:
    """Outside the mask every x on the way is the picture's latents under noise of the level that it stands at."""
    works, _ = told(own_size(recipe="inpaint", start=start(), mask=masked(blur=0.0), sampler="Euler"), tiny)
    asked = [work.batch for work in works if isinstance(work, Evaluate)]
    cells = torch.from_numpy(masks.cells_of(box_mask(BOX), (8, 8), rounded=True))
    noises = [(batch.x[0] * (1 - cells)) for batch in asked]
    first = noises[0] - noises[-1]
    ratio = (float(asked[0].sigma[0]) - float(asked[-1].sigma[0])) / (
        float(asked[0].sigma[0]) - float(asked[1].sigma[0])
    )
    assert (first - ratio * (noises[0] - noises[1])).abs().max() < 1e-3


def test_fills_differ(tiny: Model) -> None:
    fills: tuple[Any, ...] = ("fill", "original", "latent noise", "latent nothing")
    assert len({painted(tiny, masked(fill=fill)).tobytes() for fill in fills}) == 4


def test_only_masked_works_on_the_part_at_the_size_asked_for(tiny: Model) -> None:
    image, mask = scene(200, 150), box_mask((90, 60, 120, 80), (200, 150))
    request = ask(recipe="inpaint", start=start(image), mask=masked(mask, only_masked=True, padding=4, blur=2.0))
    works, (picture,) = told(request, tiny)
    assert encoded(works) == [(1, 3, 64, 64)]
    assert picture.image.size == (200, 150)
    left, top, right, bottom = Image.fromarray(changed(picture.image, image)).getbbox() or (0, 0, 0, 0)
    assert (left >= 85, top >= 55, right <= 125, bottom <= 85) == (True,) * 4
    assert infotext.read(picture.infotext).fields["Inpaint area"] == "Only masked"


def test_only_masked_takes_the_model_s_own_size_where_none_is_given(tiny: Model) -> None:
    mask = masked(box_mask((90, 60, 120, 80), (200, 150)), only_masked=True)
    works, _ = told(own_size(recipe="inpaint", start=start(scene(200, 150)), mask=mask), tiny)
    assert encoded(works) == [(1, 3, tiny.defaults.height, tiny.defaults.width)]


def test_padding_shows_the_model_more(tiny: Model) -> None:
    image, mask = scene(200, 150), box_mask((90, 60, 120, 80), (200, 150))
    found = [painted(tiny, masked(mask, only_masked=True, padding=wide), image) for wide in (0, 30)]
    assert found[0].tobytes() != found[1].tobytes()


@pytest.mark.parametrize("resize", ["just resize", "crop and resize", "resize and fill", "latent resize"])
def test_with_a_resize_the_rest_is_the_resized_picture(tiny: Model, resize: Any) -> None:
    from easel.media.resize import resized

    image, mask = scene(100, 80), box_mask((30, 30, 60, 60), (100, 80))
    request = ask(recipe="inpaint", start=start(image, resize=resize), mask=masked(mask, blur=0.0, fill="fill"))
    _, (picture,) = told(request, tiny)
    weight = numpy.asarray(masks.doubled(resized(mask, (64, 64), resize)))
    assert not changed(picture.image, resized(image, (64, 64), resize))[weight == 0].any()
    assert changed(picture.image, resized(image, (64, 64), resize))[weight == 255].mean() > 0.9


def test_transparency_is_the_mask_where_none_is_given(tiny: Model) -> None:
    image = scene().convert("RGBA")
    image.putalpha(masks.inverted(box_mask(BOX)))
    request = own_size(recipe="inpaint", start=start(image), mask=Mask(blur=0.0))
    check(request)
    found = changed(told(request, tiny)[1][0].image, scene())
    inside = numpy.asarray(box_mask(BOX)) > 0
    assert not found[~inside].any() and found[inside].mean() > 0.9


def test_a_drawing_layer_s_opacity_is_the_mask(tiny: Model) -> None:
    layer = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    layer.paste((0, 0, 0, 255), BOX)
    found = painted(tiny, masked(layer, channel="alpha"))
    assert found.tobytes() == painted(tiny, masked()).tobytes()


def test_picture_i_of_a_batch_is_the_same_alone(tiny: Model) -> None:
    asked: dict[str, Any] = {"recipe": "inpaint", "start": start(), "mask": masked(fill="latent noise", soft=Soft())}
    _, batch = told(own_size(**asked, batch_size=3), tiny)
    for picture in batch:
        _, (alone,) = told(own_size(**asked, seed=picture.seed), tiny)
        assert abs(levels(alone.image) - levels(picture.image)).max() <= 1


def test_closing_at_every_yield(tiny_inpainting: Model) -> None:
    assert close_at_every_yield(own_size(recipe="inpaint", start=start(), mask=masked()), tiny_inpainting) > 6


def test_steps_are_those_of_image_to_image(tiny: Model) -> None:
    works, _ = told(own_size(recipe="inpaint", start=start(strength=0.5), mask=masked(), steps=8), tiny)
    assert calls(works) == 5


def test_infotext_has_a1111_s_names(tiny: Model) -> None:
    mask = masked(fill="latent noise", invert=True, soft=Soft(preservation=1.5), blur=6.0)
    _, (picture,) = told(own_size(recipe="inpaint", start=start(), mask=mask), tiny)
    fields = infotext.read(picture.infotext).fields
    assert (fields["Mask blur"], fields["Masked content"], fields["Mask mode"]) == (
        "6",
        "latent noise",
        "Inpaint not masked",
    )
    assert fields["Soft inpainting preservation strength"] == "1.5"
    assert "Conditional mask weight" not in fields


def test_a_speck_is_painted(tiny: Model) -> None:
    assert changed(painted(tiny, masked(box_mask((20, 20, 21, 21)), blur=0.0)), scene()).sum() == 1


class TestCheckpoints:
    """Inpainting checkpoints read mask and masked picture."""

    def rows(self, model: Model, mask: Mask) -> torch.Tensor:
        works, _ = told(own_size(recipe="inpaint", start=start(), mask=mask), model)
        return next(work.batch.extra["inpaint"] for work in works if isinstance(work, Evaluate))

    def test_rows_hold_the_mask_and_the_picture_blotted_out(self, tiny_inpainting: Model) -> None:
        rows = self.rows(tiny_inpainting, masked(blur=0.0))
        assert rows.shape == (2, 5, 8, 8)
        cells = rows[0, 0]
        assert cells[3:6, 2:5].all() and cells.sum() == 9
        blotted = scene()
        blotted.paste((128, 128, 128), BOX)
        from easel.media.tensors import to_pixels

        expected = tiny_inpainting.encode_images(to_pixels([blotted]))[0]
        assert (rows[0, 1:] - expected).abs().max() < 0.02

    def test_the_outcome_depends_on_the_mask_and_its_weight(self, tiny_inpainting: Model) -> None:
        def corner(mask: Mask) -> bytes:
            return painted(tiny_inpainting, mask, strength=1.0).crop((20, 28, 30, 38)).tobytes()

        wide = masked(box_mask((8, 8, 56, 56)), blur=0.0)
        assert len({corner(masked(blur=0.0)), corner(wide), corner(masked(blur=0.0, weight=0.3))}) == 3

    def test_words_alone_work_too(self, tiny_inpainting: Model) -> None:
        works, (picture,) = told(ask(), tiny_inpainting)
        assert picture.image.size == (64, 64)
        assert all(work.batch.extra["inpaint"].shape[1] == 5 for work in works if isinstance(work, Evaluate))


class TestSoft:
    """What each setting of soft inpainting means."""

    GREY = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]).view(1, 1, 1, 5)

    def share(self, ratio: float, **fields: float) -> list[float]:
        return change_at(Soft(**fields), self.GREY, ratio).flatten().tolist()

    def test_black_keeps_and_white_changes_at_every_level(self) -> None:
        for ratio in (0.03, 1.0, 14.6):
            share = self.share(ratio)
            assert (share[0], share[4]) == (0, 1) and share == sorted(share)

    def test_grey_keeps_more_where_there_is_more_noise(self) -> None:
        assert self.share(10.0)[2] < self.share(1.0)[2] < self.share(0.1)[2]

    def test_bias_and_preservation(self) -> None:
        assert self.share(5.0, schedule_bias=2)[2] < self.share(5.0, schedule_bias=0.5)[2]
        assert self.share(0.2, schedule_bias=2)[2] > self.share(0.2, schedule_bias=0.5)[2]
        assert self.share(1.0, preservation=4)[2] < self.share(1.0, preservation=0.1)[2]
        assert self.share(1.0, preservation=0) == [0, 1, 1, 1, 1]

    def test_contrast_holds_the_length_of_what_is_melted(self) -> None:
        old, new = torch.randn(2, 1, 4, 6, 6, generator=torch.Generator().manual_seed(0))
        half = torch.full((1, 1, 6, 6), 0.5)
        lengths = [float(melted(old, new, half, contrast).norm(dim=1).mean()) for contrast in (1.0, 4.0, 32.0)]
        assert float((old + new).div(2).norm(dim=1).mean()) < lengths[0] < lengths[1] < lengths[2]
        for share, expected in ((0.0, old), (1.0, new)):
            assert torch.equal(melted(old, new, torch.full_like(half, share), 4.0), old + (new - old) * share)
            assert (melted(old, new, torch.full_like(half, share), 4.0) - expected).abs().max() < 1e-5

    def test_pasting_follows_the_change(self) -> None:
        old = torch.zeros(1, 4, 8, 8)
        new = old.clone()
        new[:, 0, :, 4:] = 0.5
        weight = pasting(Soft(), old, new, torch.ones(1, 1, 8, 8))[0, 0]
        assert bool((weight[:, :3] == 0).all()) and (weight[:, 6:] - 0.5).abs().max() < 1e-5
        sharp = pasting(Soft(difference_threshold=0.3, difference_contrast=8), old, new, torch.ones(1, 1, 8, 8))[0, 0]
        assert sharp[0, 7] > 0.95
        grey = pasting(Soft(mask_influence=1.0), old, new, torch.full((1, 1, 8, 8), 0.5))[0, 0]
        assert grey[0, 7] < weight[0, 7]
        assert pasting(Soft(difference_threshold=0), old, new, torch.ones(1, 1, 8, 8))[0, 0, 0, 7] == 1

    def test_a_grey_place_changes_less(self, tiny: Model) -> None:
        change = [
            float(
                abs(
                    levels(painted(tiny, masked(box_mask(BOX, level=grey), soft=Soft(), blur=0.0))) - levels(scene())
                ).mean()
            )
            for grey in (40, 128, 255)
        ]
        assert change == sorted(change)


def test_only_the_mask_changes_on_the_starter(starter: Model) -> None:
    (fox,) = told(ask(prompt="a fox", seed=7, steps=8, width=128, height=128), starter)[1]
    mask = box_mask((40, 40, 100, 100), fox.image.size)
    request = own_size(
        recipe="inpaint", prompt="a blue ball", start=start(fox.image, strength=1.0), mask=masked(mask), steps=8
    )
    (found,) = told(request, starter)[1]
    reached = numpy.asarray(masks.blurred(mask, 4.0)) > 0
    assert not changed(found.image, fox.image)[~reached].any()
    assert abs(levels(found.image) - levels(fox.image))[45:95, 45:95].mean() > 20


def jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("mask", "fields", "field", "words"),
    [
        (Mask(image=png_bytes(box_mask(BOX, (72, 64)))), {}, "mask.image", "72x64"),
        (Mask(image=png_bytes(Image.new("L", (64, 64)))), {}, "mask.image", "nothing to paint"),
        (Mask(image=png_bytes(Image.new("L", (64, 64), 255)), invert=True), {}, "mask.image", "nothing to paint"),
        (Mask(), {}, "mask.image", "has no transparency"),
        (Mask(image=b"nonsense"), {}, "mask.image", "not such a picture"),
        (Mask(image=png_bytes(scene())[:99]), {}, "mask.image", "whole picture"),
        (Mask(image=png_bytes(box_mask(BOX)), channel="alpha"), {}, "mask.channel", "no transparency"),
        (masked(only_masked=True), {"start": start(resize="crop and resize")}, "start.resize", "just resize"),
        (masked(), {"start": start(Image.new("RGB", (20_000, 8)))}, "start.image", "20000x8"),
        (masked(), {"start": None}, "start", "given"),
        (None, {}, "mask", "given"),
    ],
)
def test_what_is_refused_before_any_model(mask: Mask | None, fields: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(BadValue) as caught:
        check(own_size(**{"recipe": "inpaint", "start": start(), "mask": mask, **fields}))
    assert caught.value.field == field
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("mode", ["CMYK", "P", "1", "LA", "I;16"])
def test_masks_of_every_mode_are_read(tiny: Model, mode: str) -> None:
    mask = box_mask(BOX)
    if mode == "I;16":
        mask = Image.fromarray(numpy.asarray(mask).astype(numpy.uint16) * 257)
        data = png_bytes(mask)
    else:
        data = (
            jpeg(mask.convert("RGB").convert("CMYK"))
            if mode == "CMYK"
            else png_bytes(mask.convert("RGB").convert(mode))
        )
    found = changed(painted(tiny, Mask(image=data, blur=0.0)), scene())
    assert found[30:42, 22:34].mean() > 0.9 and not found[:10].any()
