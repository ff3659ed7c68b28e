"""The controls of "edit" make a request, and a request fills them again."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from easel.core.request import Request
from easel.ui.drawn import MODES, Drawn
from easel.ui.editing import MASK, NAMES, OUTPAINT, PAINTING, SOFT, START, USUAL, fields_of, values_of, within


def png(size: tuple[int, int], mode: str = "RGB") -> bytes:
    """A picture as a file."""
    out = io.BytesIO()
    Image.new(mode, size, "white").save(out, "PNG")
    return out.getvalue()


def drawn(size: tuple[int, int] = (64, 48)) -> Drawn:
    """A picture with both layers full."""
    return Drawn(png(size), png(size, "RGBA"), png(size, "RGBA"))


OTHER: dict[str, Any] = {
    "strength": 0.25,
    "resize": "crop and resize",
    "all_steps": True,
    "noise_multiplier": 0.9,
    "extra_noise": 0.1,
    "match_colours": True,
    "blur": 9.0,
    "fill": "latent noise",
    "invert": True,
    "padding": 8,
    "weight": 0.5,
    "soft": True,
    "schedule_bias": 2.0,
    "preservation": 1.0,
    "contrast": 2.0,
    "mask_influence": 0.5,
    "difference_threshold": 1.0,
    "difference_contrast": 3.0,
    "left": 8,
    "right": 16,
    "top": 24,
    "bottom": 32,
    "feather": 4,
    "reach": 16,
    "size": "own",
    "width": 32,
    "height": 40,
}


@pytest.mark.parametrize("mode", MODES)
def test_every_control_of_a_mode_reaches_the_request_and_comes_back(mode: str) -> None:
    values = {**USUAL, **OTHER, "mode": mode}
    request = Request(**fields_of(values, drawn(), 512))
    said = {*START, "size", "width", "height"}
    if mode in PAINTING:
        said |= {*MASK, "soft", *SOFT}
    if mode == "outpaint":
        said |= {*OUTPAINT, "reach"}
    back = values_of(request)
    assert {name: back[name] for name in said} == {name: values[name] for name in said}
    assert back["mode"] == {"sketch": "img2img", "inpaint_sketch": "inpaint"}.get(mode, mode)


@pytest.mark.parametrize("mode", MODES)
def test_what_is_usual_is_what_a_request_says_by_itself(mode: str) -> None:
    grow = {"right": 8} if mode == "outpaint" else {}
    request = Request(**fields_of({**USUAL, **grow, "mode": mode}, drawn(), 512))
    assert request.width is None
    assert request.start == Request(start={"image": request.start.image}).start
    if request.outpaint:
        assert request.outpaint == Request(outpaint=grow).outpaint


def test_every_control_has_a_value_for_every_request() -> None:
    assert tuple(values_of(Request())) == NAMES


@given(st.integers(8, 16384), st.integers(8, 16384), st.sampled_from([256, 512, 1024, 4096]))
def test_a_size_within_bounds_is_whole_cells_of_about_the_same_shape(width: int, height: int, longest: int) -> None:
    found = within(width, height, longest)
    assert max(found.values()) == longest
    assert all(side % 8 == 0 and side >= 8 for side in found.values())
    scale = longest / max(width, height)
    assert abs(found["width"] - width * scale) <= 8
    assert abs(found["height"] - height * scale) <= 8


def test_only_a_picture_too_large_is_made_smaller() -> None:
    values = {**USUAL, "longest": 64}
    assert "width" not in fields_of(values, drawn((64, 48)), 512)
    assert fields_of(values, drawn((128, 96)), 512)["width"] == 64


def test_where_nobody_says_a_picture_is_at_most_twice_what_the_model_was_trained_on() -> None:
    assert fields_of(USUAL, drawn((128, 96)), 32)["width"] == 64
    assert "width" not in fields_of(USUAL, drawn((128, 96)), 64)


def test_a_masked_part_alone_takes_the_models_own_size_unless_one_is_named() -> None:
    values = {**USUAL, "mode": "inpaint", "only_masked": True, "longest": 64}
    assert "width" not in fields_of(values, drawn((128, 96)), 512)
    assert fields_of({**values, "size": "own"}, drawn((128, 96)), 512)["width"] == 512
