"""What a chosen script makes of a call: grids, lines of prompts, tiles and grown pictures."""

from __future__ import annotations

from typing import Any

import pytest

from easel.api.a1111.chosen import Asked, asked, labels_in
from easel.api.a1111.wire import TextToImage
from easel.core.errors import BadValue, RequestError, Unsupported
from tests.api.a1111.bodies import image


def labels(where: Any, *names: str) -> list[int]:
    return [labels_in(where).index(name) for name in names]


def test_axes_are_counted_as_there() -> None:
    assert labels("txt2img", "Steps", "CFG Scale", "Prompt S/R", "Sampler", "Checkpoint name") == [4, 6, 7, 9, 11]
    assert labels("img2img", "CFG Scale", "Image CFG Scale", "Sampler", "Checkpoint name") == [5, 6, 9, 10]
    assert "Hires steps" not in labels_in("img2img") and labels_in("txt2img").count("Sampler") == 1


def plot(x: Any, xs: str, y: Any = 0, ys: str = "", *rest: Any, **fields: Any) -> Asked:
    args = [x, xs, [], y, ys, [], 0, "", [], *rest]
    return asked(TextToImage(**{"prompt": "a fox", "seed": 7, **fields}, script_name="X/Y/Z plot", script_args=args))


def test_a_plot_is_a_grid_of_requests() -> None:
    call = plot(4, "4-6", "CFG Scale", "2,3")
    assert [(cell.steps, cell.guidance.scale) for cell in call.requests] == [
        (4, 2), (5, 2), (6, 2), (4, 3), (5, 3), (6, 3),
    ]  # fmt: skip
    assert {cell.seed for cell in call.requests} == {7}
    assert call.sheet is not None and not call.sheet.cells and call.sheet.labels


def test_a_plot_may_vary_seeds_and_show_its_cells() -> None:
    call = plot(4, "4,5", 6, "2,3", True, True, False, False, True, True, False, 5)
    assert [cell.seed for cell in call.requests] == [7, 8, 9, 10]
    assert call.sheet is not None and call.sheet.cells and call.sheet.gap == 5


def test_values_chosen_from_a_list_count_where_no_text_is_given() -> None:
    args = ["Sampler", "", ["Euler a", "Heun"], 0, "", [], 0, "", []]
    call = asked(TextToImage(script_name="x/y/z plot", script_args=args))
    assert [cell.sampler for cell in call.requests] == ["Euler a", "Heun"]


def test_denoising_of_a_second_pass_can_be_plotted() -> None:
    call = plot("Denoising", "0.2,0.4", enable_hr=True)
    assert [cell.hires.strength for cell in call.requests if cell.hires] == [0.2, 0.4]


@pytest.mark.parametrize("axis", ["Face restore", "Token merging ratio", 99, "No such"])
def test_an_axis_that_cannot_be_varied_is_refused(axis: Any) -> None:
    with pytest.raises(RequestError):
        plot(axis, "1,2")


def test_a_plot_takes_one_picture_a_cell() -> None:
    with pytest.raises(BadValue, match="batch_size"):
        plot(4, "4,5", batch_size=2)


def test_a_prompt_matrix_is_every_choice() -> None:
    call = asked(TextToImage(prompt="a fox|red|at night", seed=7, script_name="prompt matrix"))
    prompts = [cell.prompt for cell in call.requests]
    assert prompts == ["a fox", "a fox, red", "a fox, at night", "a fox, red, at night"]
    seeds = [cell.seed for cell in call.requests]
    assert seeds == [7, 7, 7, 7] and call.sheet is not None and call.sheet.cells
    other = asked(
        TextToImage(prompt="a fox|red", seed=7, script_name="prompt matrix", script_args=[False, True])
    ).requests
    assert [cell.seed for cell in other] == [7, 8]
    with pytest.raises(Unsupported, match="prompt matrix"):
        asked(TextToImage(prompt="a|b", script_name="prompt matrix", script_args=[True]))


def test_prompts_from_a_textbox_are_a_call_each() -> None:
    lines = 'a fox\n\n--prompt "a whale" --steps 30 --width 320 --seed 3\n  a cat  '
    wire = TextToImage(
        prompt="in snow",
        seed=7,
        steps=9,
        n_iter=2,
        script_name="Prompts from file or textbox",
        script_args=[True, False, "start", lines],
    )
    found = asked(wire).requests
    assert [(one.prompt, one.steps, one.seed) for one in found] == [
        ("a fox in snow", 9, 7), ("a fox in snow", 9, 8), ("a whale", 30, 3), ("a whale", 30, 4),
        ("a cat in snow", 9, 11), ("a cat in snow", 9, 12),
    ]  # fmt: skip
    assert found[2].width == 320


@pytest.mark.parametrize("line", ["--sd_model x", "--prompt", '--prompt "a', "--stepps 3", "--steps many", "  "])
def test_a_line_that_cannot_be_read_is_refused(line: str) -> None:
    wire = TextToImage(script_name="prompts from file or textbox", script_args=[False, False, "start", line])
    if line == "--prompt":
        assert asked(wire).requests[0].prompt == ""
        return
    with pytest.raises(RequestError):
        asked(wire)


def test_sd_upscale_is_tiles() -> None:
    request = image(script_name="SD upscale", script_args=["", 70, "Lanczos", 3], width=128, height=192)
    assert request.recipe == "tiled_upscale" and request.tiles is not None
    assert (request.tiles.overlap, request.tiles.upscaler, request.tiles.scale) == (64, "Lanczos", 3.0)
    assert (request.width, request.height) == (128, 192)
    by_place = image(script_name="SD upscale", script_args=["", 64, 0, 2])
    assert by_place.tiles is not None and by_place.tiles.upscaler == "None"


@pytest.mark.parametrize(
    ("script", "args", "feather"),
    [
        ("outpainting mk2", ["", 64, 12, ["left", "up"]], 12),
        ("poor man's outpainting", [64, 6, "fill", ["left", "up"]], 6),
    ],
)
def test_outpainting_grows_the_picture(script: str, args: list[Any], feather: int) -> None:
    request = image(script_name=script, script_args=args)
    grow = request.outpaint
    assert request.recipe == "outpaint" and grow is not None
    assert (grow.left, grow.top, grow.right, grow.bottom, grow.feather) == (64, 64, 0, 0, feather)
    assert request.width is None


@pytest.mark.parametrize(
    ("script", "args"),
    [
        ("outpainting mk2", ["", 64, 8, ["left"], 2.0]),
        ("outpainting mk2", ["", 64, 8, ["sideways"]]),
        ("outpainting mk2", ["", 64, 8, []]),
        ("outpainting mk2", ["", 64, 8, ["left"], 1.0, 0.05, "one too many"]),
        ("poor man's outpainting", [64, 4, "original", ["left"]]),
        ("sd upscale", ["", 64, 17, 2]),
        ("sd upscale", ["", 9999, 0, 2]),
    ],
)
def test_arguments_that_cannot_be_honoured_are_refused(script: str, args: list[Any]) -> None:
    with pytest.raises(RequestError):
        image(script_name=script, script_args=args)
