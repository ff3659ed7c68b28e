"""Pictures made larger: sizes, two upscalers blended, crops, alpha, and tiles as work and as progress."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from easel.core.errors import BadValue, UnknownName, Unsupported
from easel.core.finishing import Enlarge
from easel.core.settings import read_settings
from easel.core.work import Finish, Load, Wanted
from easel.engine.shelf import Shelf
from easel.media.compare import difference
from easel.models.accelerate import residency_for
from easel.models.library.names import Library
from easel.post.enlarging import check_enlarge, enlarge, enlarged, sizes_of
from easel.post.upscalers import names_of, upscalers
from tests.counting import CountingDevice
from tests.post.performing import performed
from tests.post.upscalerfiles import ESRGAN, compact, spandrel_made, write

sides = st.integers(1, 3000)


def picture(size: tuple[int, int] = (50, 40), mode: str = "RGB") -> Image.Image:
    """Return a smooth picture with an edge in it, and for RGBA with a soft hole."""
    x, y = numpy.meshgrid(numpy.linspace(0, 1, size[0]), numpy.linspace(0, 1, size[1]))
    bands = [x, y, (x > 0.5) * 0.8, 1 - x * y][: len(mode)]
    return Image.fromarray((numpy.stack(bands, 2) * 255).astype(numpy.uint8))


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Return a shelf over a models folder with an upscaler of each kind."""
    folder = tmp_path_factory.mktemp("models")
    write(folder / "upscalers" / "Quick.safetensors", compact().state_dict())
    write(folder / "upscalers" / "clean.safetensors", compact(1).state_dict())
    write(folder / "ESRGAN" / "4x_Tiny.pth", spandrel_made("ESRGAN", **ESRGAN).state_dict(), "params_ema")
    settings = read_settings(models=folder, device="cpu", precision="float32")
    return Shelf(Library(settings), settings)


@given(wide=sides, high=sides, scale=st.floats(0.25, 8))
def test_a_scale_gives_the_rounded_size(wide: int, high: int, scale: float) -> None:
    if wide * scale <= 8000 and high * scale <= 8000:
        size = max(round(wide * scale), 1), max(round(high * scale), 1)
        assert sizes_of(Enlarge(scale=scale), (wide, high)) == (size, size)


@given(wide=sides, high=sides, width=sides, height=sides)
def test_two_sides_are_covered_and_what_overhangs_is_cut(wide: int, high: int, width: int, height: int) -> None:
    try:
        reached, left = sizes_of(Enlarge(width=width, height=height), (wide, high))
    except BadValue:
        return
    assert left == (width, height)
    assert reached[0] >= width
    assert reached[1] >= height
    assert reached[0] == width or reached[1] == height
    assert sizes_of(Enlarge(width=width, height=height, crop=False), (wide, high)) == (reached, reached)


def test_one_side_takes_the_other_by_the_pictures_shape() -> None:
    assert sizes_of(Enlarge(width=300), (100, 50))[1] == (300, 150)
    assert sizes_of(Enlarge(height=25), (100, 50))[1] == (50, 25)


@pytest.mark.parametrize("name", [one.name for one in upscalers if one.facts["works_on"] == "pixels"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_the_size_it_has_already_is_the_picture_itself(name: str, mode: str) -> None:
    image = picture(mode=mode)
    (found,), _ = performed(enlarge(Enlarge(upscaler=name, scale=1), [image]))
    assert found.mode == mode
    assert numpy.array_equal(numpy.asarray(found), numpy.asarray(image))


@pytest.mark.parametrize("name", ["Lanczos", "Quick", "4x_Tiny", "clean"])
@pytest.mark.parametrize(
    "asked", [{"scale": 0.5}, {"scale": 2.2}, {"scale": 5}, {"width": 60, "height": 77}, {"height": 100}]
)
def test_every_upscaler_gives_the_size_and_keeps_what_is_transparent(
    name: str, asked: dict[str, Any], shelf: Shelf
) -> None:
    part = Enlarge(upscaler=name, tile=32, **asked)
    images = [picture((36, 20)), picture((17, 33), "RGBA")]
    found, _ = performed(enlarge(part, images), shelf.load)
    assert [image.size for image in found] == [sizes_of(part, image.size)[1] for image in images]
    assert [image.mode for image in found] == ["RGB", "RGBA"]
    reached, _ = sizes_of(part, images[1].size)
    alpha = images[1].getchannel("A").resize(reached, Image.Resampling.LANCZOS)
    shown = found[1].getchannel("A")
    left, top = (alpha.width - shown.width) // 2, (alpha.height - shown.height) // 2
    cut = numpy.asarray(alpha.crop((left, top, left + shown.width, top + shown.height)), int)
    assert abs(cut - numpy.asarray(shown, int)).max() <= (1 if name != "Lanczos" else 3)


@pytest.mark.parametrize(("name", "least"), [("Quick", 80), ("4x_Tiny", 60)])
def test_tiles_give_the_whole_picture(name: str, least: float, shelf: Shelf) -> None:
    image = picture((150, 110))
    (whole,), once = performed(enlarge(Enlarge(upscaler=name, scale=4, tile=0), [image]), shelf.load)
    (tiled,), often = performed(enlarge(Enlarge(upscaler=name, scale=4, tile=64), [image]), shelf.load)
    assert [len([work for work in works if isinstance(work, Finish)]) for works in (once, often)] == [2, 3 * 2 + 1]
    apart = difference(whole, tiled)
    assert apart is not None
    assert apart.psnr >= least


def test_what_is_not_yet_large_enough_is_enlarged_again(shelf: Shelf) -> None:
    for name, scale, times in (("Quick", 4, 1), ("Quick", 5, 2), ("Quick", 1, 1), ("Quick", 0.5, 0), ("clean", 3, 1)):
        _, works = performed(enlarge(Enlarge(upscaler=name, scale=scale, tile=0), [picture()]), shelf.load)
        assert [type(work) for work in works] == [Load, *[Finish] * (times + 1)], (name, scale)


def test_the_tiles_of_all_pictures_and_both_upscalers_are_counted_once(shelf: Shelf) -> None:
    images = [picture((50, 40)), picture((31, 45), "RGBA")]
    part = Enlarge(upscaler="Quick", second="clean", second_share=0.5, scale=5, tile=32)
    _, works = performed(enlarge(part, images), shelf.load)
    counted = [work.progress for work in works if isinstance(work, Finish) and work.progress]
    tiles = 4 + 8 * 7 + 2 + 5 * 8 + 4 + 2
    assert [(one.step, one.steps) for one in counted] == [(step, tiles) for step in range(tiles)]
    assert len([work for work in works if isinstance(work, Finish)]) == tiles + 4
    plain = performed(enlarge(Enlarge(upscaler="Lanczos"), images))[1]
    within = performed(enlarged("Quick", images, [(200, 160), (124, 180)], tile=32), shelf.load)[1]
    assert not any(isinstance(work, Finish) and work.progress for work in (*plain, *within))


def test_a_second_upscaler_is_laid_over_as_visibly_as_asked_for(shelf: Shelf) -> None:
    def made(**asked: Any) -> numpy.ndarray:
        (image,), _ = performed(enlarge(Enlarge(scale=3, **asked), [picture()]), shelf.load)
        return numpy.asarray(image, int)

    first, second = made(upscaler="Quick"), made(upscaler="Nearest")
    both = made(upscaler="Quick", second="Nearest", second_share=0.25)
    assert abs(both - (0.75 * first + 0.25 * second)).max() <= 1
    assert numpy.array_equal(made(upscaler="Quick", second="Nearest"), first)
    assert numpy.array_equal(made(upscaler="Quick", second="Nearest", second_share=1.0), second)


def test_upscalers_are_found_by_name_in_the_models_folder_and_read_once(shelf: Shelf) -> None:
    assert {"Quick", "clean", "4x_Tiny"} < set(names_of(shelf.library))
    assert names_of(shelf.library)[: len(upscalers)] == upscalers.names
    for name in ("4x_tiny", "4x_Tiny.pth", "Quick"):
        shelf.check(Wanted("upscaler", name))
    assert shelf.load(Wanted("upscaler", "Quick")) is shelf.load(Wanted("upscaler", "quick"))
    assert shelf.load(Wanted("upscaler", "4x_Tiny")).words == "ESRGAN"
    with pytest.raises(UnknownName, match=r"upscaler 'Quik' is not known; nearest 'Quick'.*easel models upscalers"):
        shelf.check(Wanted("upscaler", "Quik"))
    with pytest.raises(UnknownName, match="nearest 'Lanczos'"):
        shelf.check(Wanted("upscaler", "Lanzos"))


def test_what_cannot_be_is_refused_before_anything_is_done(shelf: Shelf) -> None:
    with pytest.raises(Unsupported, match="enlarges latents, enlarging a picture needs one of pictures"):
        check_enlarge(Enlarge(upscaler="Latent"))
    with pytest.raises(Unsupported, match="enlarges latents"):
        check_enlarge(Enlarge(second="Latent"))
    with pytest.raises(BadValue, match=r"enlarge.scale is 8.0, allowed is a result of at most .*24000x8000"):
        check_enlarge(Enlarge(scale=8), (3000, 1000))
    with pytest.raises(BadValue, match=r"enlarge.tile is 8, allowed is 0, for the whole at once, or at least 32"):
        performed(enlarge(Enlarge(upscaler="Quick", tile=8), [picture()]), shelf.load)
    with pytest.raises(BadValue, match=r"on the way; Compact enlarges 4 times"):
        performed(enlarged("Quick", [Image.new("RGB", (3000, 2000))], [(6000, 4000)]), shelf.load)


def test_tiles_bound_what_is_held(shelf: Shelf) -> None:
    network = shelf.load(Wanted("upscaler", "Quick"))
    seen: list[tuple[int, ...]] = []
    handle = network.module.register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape)))
    performed(enlarge(Enlarge(upscaler="Quick", scale=4, tile=48), [picture((200, 100))]), shelf.load)
    handle.remove()
    assert max(max(shape[2:]) for shape in seen) == 48
    assert all(shape[:2] == (1, 3) for shape in seen)


def test_the_network_comes_to_a_device_with_memory_of_its_own(shelf: Shelf) -> None:
    part = Enlarge(upscaler="4x_Tiny", scale=4, tile=32)
    (plain,), _ = performed(enlarge(part, [picture()]), shelf.load)
    network = shelf.load(Wanted("upscaler", "4x_Tiny"))
    device = CountingDevice(10**7)
    there = replace(network, machine=replace(network.machine, residency=residency_for(device, "auto")))
    (found,), _ = performed(enlarge(part, [picture()]), lambda _: there)
    assert device.moved > 0
    assert numpy.array_equal(numpy.asarray(found), numpy.asarray(plain))
