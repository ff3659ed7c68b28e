"""Control models in every recipe: when they act, on what, in which batches, and what is refused at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from easel.core.control import Control
from easel.core.errors import BadValue, Mismatch, UnknownName, Unsupported
from easel.core.passes import Hires, Shortcuts
from easel.core.pictures import Mask, Outpaint, Start, Tiles
from easel.core.work import EncodeImages
from easel.media.hints import hint_of
from easel.media.reading import png_bytes
from easel.prompt import infotext
from easel.recipes.common import check
from easel.recipes.hints import brought
from tests.adapters.control.making import write_controlnet
from tests.endtoend.house import House, ask, psnr, write_lora
from tests.recipes.starting import box_mask, changed, scene
from tests.tiny import write_tiny_sd

SIDE = 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiny models, two ControlNets for them and one for neither, and a LoRA."""
    folder = tmp_path_factory.mktemp("house")
    write_tiny_sd(folder / "tiny")
    write_tiny_sd(folder / "wide", width=64)
    house = House(folder)
    write_controlnet(folder / "controlnet" / "edges", house.model())
    write_controlnet(folder / "controlnet" / "lines", house.model(), seed=2)
    write_controlnet(folder / "controlnet" / "wide edges", house.model("wide"))
    (folder / "loras").mkdir()
    write_lora(folder / "loras", house.model(), "one")
    return folder


@pytest.fixture(scope="module")
def house(folder: Path) -> House:
    return House(folder)


def control(image: Image.Image | None = None, **fields: Any) -> Control:
    """A unit of the edges, led by a scene."""
    shown = scene(SIDE, SIDE) if image is None else image
    return Control(**{"image": png_bytes(shown), "model": "edges", "preprocessor": "canny", **fields})


def unshown(**fields: Any) -> Control:
    """A unit without a picture of its own."""
    return control(**fields).model_copy(update={"image": None})


@contextmanager
def heard(house: House, name: str = "edges") -> Iterator[tuple[list[int], list[Any]]]:
    """Note how many rows each forward of a control model has, and what it embeds, (3, height, width)."""
    from easel.core.work import Wanted

    loaded: Any = house.shelf.load(Wanted("controlnet", name))
    rows: list[int] = []
    shown: list[Any] = []
    handles = [
        loaded.net.register_forward_pre_hook(lambda _, __, named: rows.append(len(named["sample"])), with_kwargs=True),
        loaded.embedder.register_forward_pre_hook(lambda _, given: shown.extend(given[0])),
    ]
    try:
        yield rows, shown
    finally:
        for handle in handles:
            handle.remove()


def seen(pixels: Any) -> Any:
    """A hint's pixels as levels, (height, width, 3)."""
    return (pixels.permute(1, 2, 0).numpy() * 255).round().astype(int)


def canny(image: Image.Image) -> Any:
    return numpy.asarray(hint_of(image, "canny")).astype(int)


def test_it_leads_every_row_of_every_step_and_embeds_its_hint_once(house: House) -> None:
    plain = house.one(batch_size=2)
    with heard(house) as (rows, shown):
        led = house.one(batch_size=2, controls=(control(),))
    assert rows == [4, 4, 4], "two pictures with their negatives, three steps"
    assert len(shown) == 1, "one hint for all pictures and steps"
    assert (seen(shown[0]) == canny(scene(SIDE, SIDE))).all()
    assert psnr(plain.latents, led.latents) < 40


@pytest.mark.parametrize(
    ("start", "end", "forwards"), [(0.0, 1.0, 8), (0.25, 0.5, 3), (0.5, 1.0, 4), (0.0, 0.0, 1), (0.9, 1.0, 0)]
)
def test_nothing_runs_outside_its_share_of_the_steps(house: House, start: float, end: float, forwards: int) -> None:
    with heard(house) as (rows, _):
        house.one(steps=8, sampler="Euler", controls=(control(start=start, end=end),))
    assert rows == [2] * forwards


def test_no_weight_is_the_identity_and_loads_nothing(house: House) -> None:
    plain, none = house.one(), house.one(controls=(control(weight=0.0),))
    assert plain.pictures[0].image.tobytes() == none.pictures[0].image.tobytes()
    assert not [work for work in house.works if getattr(getattr(work, "wanted", None), "kind", "") == "controlnet"]


def test_modes_lead_more_softly_and_the_prompts_side_alone(house: House) -> None:
    with heard(house) as (rows, _):
        drawn = {mode: house.one(controls=(control(mode=mode),)) for mode in ("balanced", "prompt", "control")}
    assert rows == [2, 2, 2, 2, 2, 2, 1, 1, 1]
    plain = house.one()
    strays = {mode: psnr(plain.latents, one.latents) for mode, one in drawn.items()}
    assert strays["prompt"] > strays["balanced"], "soft weights change less"
    assert len({round(stray, 3) for stray in strays.values()}) == 3
    blocks = house.one(controls=(control(mode="prompt", blocks=(1.0,) * 5),))
    assert psnr(drawn["balanced"].latents, blocks.latents) > 100, "factors that were given stand for the soft ones"


def test_unlike_requests_share_forwards_and_are_as_each_alone(house: House) -> None:
    requests = [
        ask(),
        ask(controls=(control(),), seed=4),
        ask(prompt="a hen <lora:one:0.7>", controls=(control(scene(SIDE, SIDE, 7), weight=0.4),), seed=5),
        ask(controls=(control(model="lines"), control(mode="control")), steps=5, seed=6),
    ]
    together = house.draw(*requests)
    assert house.forwards["Evaluate"] <= 8, "5 of the longest, and 3 of the first while others are made ready; 14 alone"
    for request, one in zip(requests, together, strict=True):
        (alone,) = house.draw(request)
        assert psnr(alone.latents, one.latents) >= 80


def test_several_units_add_up(house: House) -> None:
    twice = house.one(controls=(control(weight=0.25), control(weight=0.5)))
    once = house.one(controls=(control(weight=0.75),))
    assert psnr(twice.latents, once.latents) > 100


def test_a_region_leads_there_alone(house: House) -> None:
    """Far from the region nothing of the first residual is added; deeper ones see further than a tiny picture."""
    region = png_bytes(box_mask((0, 0, 16, 32), (32, 32)))
    plain = house.one(width=64, height=64, steps=1)
    blocks = (1.0, 0.0, 0.0, 0.0, 0.0)
    led = house.one(width=64, height=64, steps=1, controls=(control(region=region, blocks=blocks),))
    moved = (led.latents - plain.latents).abs()[0].amax(0)
    assert moved[:, :3].mean() > 2 * moved[:, 5:].mean()
    everywhere = png_bytes(box_mask((0, 0, 32, 32), (32, 32)))
    whole = house.one(controls=(control(region=everywhere),))
    assert psnr(house.one(controls=(control(),)).latents, whole.latents) > 100


def test_hires_passes_and_sizes(house: House) -> None:
    hires = Hires(scale=2, steps=2)
    for passes, sides in {"both": [32, 64], "first": [32], "second": [64]}.items():
        with heard(house) as (rows, shown):
            house.one(hires=hires, controls=(control(passes=passes),))
        assert [one.shape[-1] for one in shown] == sides
        assert len(rows) == {"both": 5, "first": 3, "second": 2}[passes]
    with heard(house) as (rows, _):
        house.one(controls=(control(passes="second"),))
    assert len(rows) == 3, "without a hires fix there is but one pass"


def test_the_second_pass_leads_by_what_it_begins_with(house: House) -> None:
    with heard(house) as (_, shown):
        house.one(
            hires=Hires(scale=2, steps=2), batch_size=2, controls=(unshown(passes="second", preprocessor="none"),)
        )
    assert [one.shape[-1] for one in shown] == [64, 64]
    assert (shown[0] != shown[1]).any(), "each picture has its own"


def test_image_to_image_leads_by_its_start(house: House) -> None:
    start = Start(image=png_bytes(scene(48, 48)), strength=0.7, resize="crop and resize")
    with heard(house) as (rows, shown):
        house.one(recipe="image_to_image", start=start, controls=(unshown(preprocessor="none"),))
    with heard(house) as (_, own):
        house.one(recipe="image_to_image", start=start, controls=(unshown(preprocessor="canny"),))
    assert rows
    assert (numpy.isin(seen(own[0]), (0, 255))).all()
    assert not (numpy.isin(seen(shown[0]), (0, 255))).all()


PAINTED = Mask(image=png_bytes(box_mask((8, 8, 20, 20), (32, 32))), blur=0)


def test_inpainting_shows_a_hole_where_it_paints(house: House) -> None:
    start = Start(image=png_bytes(scene(32, 32)), strength=0.7)
    with heard(house) as (_, shown):
        house.one(recipe="inpaint", start=start, mask=PAINTED, controls=(unshown(preprocessor="inpaint_only"),))
    hole = shown[0].amax(0) == -1
    assert hole[8:20, 8:20].all()
    assert hole.sum() == 144
    assert (seen(shown[0])[0, :8] == numpy.asarray(scene(32, 32))[0, :8]).all()


def test_the_masked_part_alone_has_the_same_part_of_a_hint(house: House) -> None:
    """A unit's own picture lies over the whole start picture; so its part is enlarged as the work's is."""
    start = Start(image=png_bytes(scene(64, 64)), strength=0.7)
    mask = Mask(image=png_bytes(box_mask((0, 0, 16, 16), (64, 64))), only_masked=True, padding=0, blur=0)
    quarters = Image.new("RGB", (64, 64))
    quarters.paste((255, 0, 0), (0, 0, 32, 32))
    with heard(house) as (_, shown):
        house.one(recipe="inpaint", start=start, mask=mask, controls=(control(quarters, preprocessor="none"),))
    assert (seen(shown[0]) == (255, 0, 0)).all(), "of the picture its upper left sixteenth"


def test_outpainting_leads_by_its_canvas(house: House) -> None:
    start = Start(image=png_bytes(scene(32, 32)), strength=0.8)
    with heard(house) as (_, shown):
        house.one(
            recipe="outpaint",
            start=start,
            outpaint=Outpaint(right=16),
            controls=(unshown(preprocessor="inpaint"),),
        )
    assert shown
    assert (shown[0].amax(0) == -1).any(1).all(), "in every line something is to be painted"


def test_each_tile_has_its_part_of_the_hint(house: House) -> None:
    start, tiles = Start(image=png_bytes(scene(32, 32)), strength=0.5), Tiles(scale=2, overlap=8, upscaler="Nearest")
    halves = Image.new("RGB", (64, 64))
    halves.paste((0, 255, 0), (0, 0, 64, 32))
    for unit in (control(halves, preprocessor="none"), unshown(preprocessor="none")):
        with heard(house) as (rows, shown):
            house.one(recipe="tiled_upscale", start=start, tiles=tiles, controls=(unit,))
        assert len(shown) == 9
        assert set(rows) == {18}, "tiles and their negatives in the same forwards"
        assert len({seen(one).tobytes() for one in shown}) > 1


def test_a_reference_leads_without_a_model(house: House) -> None:
    plain = house.one()
    unit = Control(image=png_bytes(scene(SIDE, SIDE)), preprocessor="reference_only")
    led = house.one(controls=(unit,))
    assert house.forwards["Evaluate"] == 3
    assert sum(isinstance(work, EncodeImages) for work in house.works) == 1
    assert psnr(plain.latents, led.latents) < 40
    faithful = house.one(controls=(unit.model_copy(update={"options": {"fidelity": 1.0}}),))
    same = house.one(controls=(unit.model_copy(update={"mode": "control"}),))
    assert psnr(faithful.latents, same.latents) > 100
    assert psnr(faithful.latents, led.latents) < 60
    weak = house.one(controls=(unit.model_copy(update={"weight": 0.3}),))
    assert psnr(plain.latents, weak.latents) > psnr(plain.latents, led.latents)
    both = house.draw(ask(controls=(unit, control())), ask(seed=9), ask(controls=(unit,), seed=8))
    for request, one in zip((ask(controls=(unit, control())), ask(seed=9)), both, strict=False):
        (alone,) = house.draw(request)
        assert psnr(alone.latents, one.latents) >= 80


def test_kinds_of_references_differ_and_share_forwards(house: House) -> None:
    units = [Control(image=png_bytes(scene(SIDE, SIDE)), preprocessor=f"reference_{kind}") for kind in KINDS]
    plain = house.one()
    together = house.draw(*(ask(controls=(unit,)) for unit in units), ask(controls=(units[0], control())))
    for number, one in enumerate(together):
        assert psnr(plain.latents, one.latents) < 50
        (alone,) = house.draw(ask(controls=(units[number],) if number < 3 else (units[0], control())))
        assert psnr(alone.latents, one.latents) >= 80
        assert all(psnr(one.latents, other.latents) < 60 for other in together[:number])


KINDS = ("only", "adain", "adain+attn")


def test_what_infotext_says(house: House) -> None:
    unit = control(options={"low": 50.0}, weight=0.8, resolution=64, mode="control", passes="first")
    fields = infotext.read(house.one(controls=(unit,)).infotext).fields
    said = fields["ControlNet 0"]
    digits = said.partition("[")[2].partition("]")[0]
    assert len(digits) == 8
    assert said == (
        f"Module: canny, Model: edges [{digits}], Weight: 0.8, Resize Mode: Crop and Resize, Processor Res: 64, "
        "Threshold A: 50, Threshold B: 200, Guidance Start: 0, Guidance End: 1, Pixel Perfect: False, "
        "Control Mode: ControlNet is more important, Hr Option: Low res only"
    )


def test_hints_are_drawn_at_a_resolution_or_pixel_by_pixel(house: House) -> None:
    large = scene(64, 96)
    for fields in ({"resolution": 16}, {"pixel_perfect": True}, {}):
        with heard(house) as (_, shown):
            house.one(controls=(control(large, **fields),))
        resolution = {"resolution": 16, "pixel_perfect": 32}.get(next(iter(fields), ""))
        wanted = brought(hint_of(large, "canny", resolution=resolution), (SIDE, SIDE), "crop and resize")
        assert (seen(shown[0]) == numpy.asarray(wanted)).all()


def test_ways_to_resize_a_hint() -> None:
    wide = Image.new("RGB", (40, 20), (255, 0, 0))
    wide.paste((0, 0, 255), (0, 0, 10, 20))
    stretched, cut, filled = (brought(wide, (20, 20), how) for how in MODES)
    assert [stretched.getpixel((x, 10))[2] > 128 for x in (1, 8)] == [True, False]  # type: ignore[index]
    assert cut.getextrema()[0][0] > 200, "of the middle"  # type: ignore[index]
    assert filled.getpixel((10, 1)) == filled.getpixel((19, 19)), "the colour most of the edge has"
    assert filled.getpixel((10, 1))[0] > 250  # type: ignore[index]
    assert filled.getpixel((1, 10))[2] > 128  # type: ignore[index]
    line = Image.new("L", (8, 8))
    line.putpixel((3, 3), 255)
    larger = brought(line, (32, 32), "just resize")
    assert set(larger.tobytes()) == {0, 255}, "few colours stay few"
    assert brought(line, (8, 8), "resize and fill") is line


ADAIN = Control(image=png_bytes(scene()), preprocessor="reference_adain")
MODES = ("just resize", "crop and resize", "resize and fill")


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"controls": (control(preprocessor="cany"),)}, UnknownName, "nearest 'canny'"),
        ({"controls": (control(preprocessor="lineart_anime_denoise"),)}, Unsupported, "lineart-anime"),
        ({"controls": (control(options={"hi": 3.0}),)}, UnknownName, "option of canny"),
        ({"controls": (control(options={"high": 1e9}),)}, BadValue, "option high of canny"),
        ({"controls": (unshown(),)}, BadValue, r"controls\[0\].image is None"),
        ({"controls": (control(), control().model_copy(update={"image": b"x"}))}, BadValue, r"controls\[1\].image"),
        ({"controls": (control(region=b"y"),)}, BadValue, r"controls\[0\].region"),
        ({"controls": (control(kind="colour"),)}, UnknownName, r"controls\[0\].kind"),
        ({"controls": (control(model=None),)}, BadValue, r"controls\[0\].model is None"),
        ({"controls": (control(resize="latent resize"),)}, BadValue, "resize"),
        ({"controls": (control(mask=png_bytes(scene())),)}, BadValue, r"controls\[0\].mask"),
        ({"controls": (control(preprocessor="inpaint"),)}, BadValue, r"controls\[0\].mask is None"),
        ({"controls": (control(preprocessor="reference_only"),)}, BadValue, r"controls\[0\].model"),
        ({"controls": (ADAIN.model_copy(update={"region": png_bytes(scene())}),)}, BadValue, "whole picture"),
        ({"controls": (ADAIN.model_copy(update={"options": {"fidelity": 2.0}}),)}, BadValue, "fidelity"),
        ({"controls": (control(),), "shortcuts": Shortcuts(features_every=2)}, Unsupported, "features_every"),
        ({"controls": (unshown(passes="first"),), "hires": Hires()}, BadValue, r"controls\[0\].image"),
    ],
)
def test_what_is_refused_before_anything_runs(fields: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        check(ask(**fields))


def test_what_the_library_or_the_model_does_not_have(house: House) -> None:
    with pytest.raises(UnknownName, match="ControlNet 'edge' is not known; nearest 'edges'"):
        house.one(controls=(control(model="edge"),))
    with pytest.raises(Mismatch, match="'wide edges' does not fit 'tiny': it reads words of 64 numbers"):
        house.one(controls=(control(model="wide edges"),))
    with pytest.raises(BadValue, match="none for edges, which is no union"):
        house.one(controls=(control(kind="depth"),))
    with pytest.raises(Unsupported, match=r"ControlNetHED\.pth"):
        house.one(controls=(control(preprocessor="softedge_hed"),))


def test_a_picture_that_differs_where_its_hint_does(house: House) -> None:
    one, other = (house.one(controls=(control(scene(SIDE, SIDE, seed)),)).pictures[0].image for seed in (1, 2))
    assert changed(one, other).any()
