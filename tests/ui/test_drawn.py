"""What was drawn on the canvas becomes the start and the mask of a request, bit for bit where nothing was drawn."""

from __future__ import annotations

import base64
import io

import numpy
import pytest
from PIL import Image, ImageDraw

from easel.core.errors import BadValue
from easel.core.request import Request
from easel.media.reading import open_image
from easel.ui.drawn import MODES, RECIPES, Drawn, data_url, parts_of, read_drawn, size_of

SIZE = (48, 32)


def png(image: Image.Image, format: str = "PNG") -> bytes:
    """A picture as a file."""
    out = io.BytesIO()
    image.save(out, format)
    return out.getvalue()


def noise(mode: str = "RGB") -> Image.Image:
    """A picture of which every pixel is its own."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    levels = numpy.random.default_rng(1).integers(0, 256, (SIZE[1], SIZE[0], bands), numpy.uint8)
    return Image.fromarray(levels)


def layer(box: tuple[int, int, int, int], colour: tuple[int, int, int, int]) -> bytes:
    """A clear layer with one box on it."""
    made = Image.new("RGBA", SIZE)
    ImageDraw.Draw(made).rectangle(box, fill=colour)
    return png(made)


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_makes_parts_of_a_request(mode: str) -> None:
    drawn = Drawn(png(noise()), layer((4, 4, 9, 9), (255, 0, 0, 255)), layer((8, 8, 20, 20), (0, 0, 0, 255)))
    more = {"outpaint": {"right": 8}} if mode == "outpaint" else {}
    request = Request(recipe=RECIPES.get(mode, "image_to_image"), **parts_of(drawn, mode), **more)
    assert request.start is not None
    assert (request.mask is not None) == (mode in ("inpaint", "inpaint_sketch"))


@pytest.mark.parametrize("mode", ["img2img", "inpaint", "outpaint"])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_file_nothing_is_drawn_into_stays_that_file(mode: str, format: str) -> None:
    file = png(noise(), format)
    value = {"picture": data_url(file), "mask": data_url(layer((1, 1, 5, 5), (9, 9, 9, 255)))}
    assert parts_of(read_drawn(value), mode)["start"]["image"] == file


def test_a_sketch_covers_its_strokes_and_nothing_else() -> None:
    picture = noise()
    drawn = Drawn(png(picture), paint=layer((10, 6, 19, 15), (255, 136, 0, 255)))
    made = numpy.asarray(open_image(parts_of(drawn, "sketch")["start"]["image"], "start"))
    inside = numpy.zeros(SIZE[::-1], bool)
    inside[6:16, 10:20] = True
    assert (made[inside] == (255, 136, 0)).all()
    assert (made[~inside] == numpy.asarray(picture)[~inside]).all()


def test_an_inpaint_sketch_is_painted_where_strokes_lie_even_in_the_pictures_own_colour() -> None:
    white = Image.new("RGB", SIZE, "white")
    drawn = Drawn(png(white), paint=layer((10, 6, 19, 15), (255, 255, 255, 255)))
    parts = parts_of(drawn, "inpaint_sketch")
    mask = numpy.asarray(open_image(parts["mask"]["image"], "mask").convert("L"))
    assert mask[6:16, 10:20].min() == 255
    assert mask.sum() == 255 * 100


def test_a_mask_is_what_is_opaque_whatever_its_colour() -> None:
    drawn = Drawn(png(noise()), mask=layer((0, 0, 4, 4), (0, 0, 0, 255)))
    assert parts_of(drawn, "inpaint")["mask"]["channel"] == "alpha"


def test_without_a_mask_the_pictures_own_transparency_is_it() -> None:
    assert parts_of(Drawn(png(noise("RGBA"))), "inpaint")["mask"] == {"image": None}


def test_a_blank_sketch_is_its_picture_and_a_blank_inpaint_sketch_is_refused() -> None:
    file = png(noise())
    assert parts_of(Drawn(file), "sketch") == {"start": {"image": file}}
    with pytest.raises(BadValue, match="at least one stroke"):
        parts_of(Drawn(file), "inpaint_sketch")


def test_a_layer_of_another_size_is_refused() -> None:
    with pytest.raises(BadValue, match="48x32"):
        parts_of(Drawn(png(noise()), paint=png(Image.new("RGBA", (8, 8)))), "sketch")


def test_the_size_is_that_of_the_picture_held_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    out = io.BytesIO()
    noise().save(out, "JPEG", exif=exif)
    assert size_of(Drawn(out.getvalue())) == SIZE[::-1]


@pytest.mark.parametrize("value", [None, "", {}, [], {"picture": None}])
def test_an_empty_canvas_says_what_to_do(value: object) -> None:
    with pytest.raises(BadValue, match="drop one on the canvas"):
        read_drawn(value)


@pytest.mark.parametrize(
    "url", ["/etc/passwd", "file:///etc/passwd", "http://127.0.0.1/", "data:image/png,x", "data:;base64,?", 7]
)
def test_nothing_but_a_picture_in_the_value_itself_is_opened(url: object) -> None:
    with pytest.raises(BadValue, match="picture on the canvas"):
        read_drawn({"picture": url})


def test_a_data_url_says_what_kind_of_file_it_holds() -> None:
    for format, kind in (("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")):
        file = png(noise(), format)
        assert data_url(file) == f"data:{kind};base64,{base64.b64encode(file).decode()}"
