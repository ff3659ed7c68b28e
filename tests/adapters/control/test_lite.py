"""ControlNet-LLLite: its layers add to what attentions read, as kohya's own formula has it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from easel.adapters.control.loading import load_control
from easel.core.errors import Incomplete, Mismatch
from easel.models.family import Model
from easel.models.files.opening import listing_of
from easel.models.layouts.controls import control_for
from easel.models.layouts.identify import identify
from tests.adapters.control.making import act, evaluated, picture, rows_of

LAYERS = {"input_blocks_1_1_transformer_blocks_0_attn1_to_q": 32, "middle_block_1_transformer_blocks_0_attn2_to_q": 64}


def tensors(layers: dict[str, int] = LAYERS) -> dict[str, Tensor]:
    """A file in kohya's names; what reads the hint halves it to the layer's size."""
    chance = torch.Generator().manual_seed(3)
    found: dict[str, Tensor] = {}
    for name, wide in layers.items():
        sides = [(4, 3), (2, 8)] if "input" in name else [(4, 3), (4, 8)]
        shapes = {f"conditioning1.{2 * i}": (8, read, side, side) for i, (side, read) in enumerate(sides)}
        shapes |= {"down.0": (6, wide), "mid.0": (6, 14), "up.0": (wide, 6)}
        for part, shape in shapes.items():
            found[f"lllite_unet_{name}.{part}.weight"] = torch.randn(shape, generator=chance) / shape[1] ** 0.5
            found[f"lllite_unet_{name}.{part}.bias"] = torch.randn(shape[0], generator=chance) / 4
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_file(tensors(), tmp_path / "canny.safetensors")
    return tmp_path / "canny.safetensors"


def test_it_adds_what_its_formula_says(tiny: Model, file: Path) -> None:
    unet: Any = tiny.parts["unet"]
    blocks = unet.down_blocks[0].attentions[0], unet.mid_block.attentions[0]
    layers = [blocks[0].transformer_blocks[0].attn1.to_q, blocks[1].transformer_blocks[0].attn2.to_q]
    saved, hint, rows = tensors(), picture() * 2 - 1, rows_of(tiny)

    def formula(name: str) -> Any:
        own = {key.removeprefix(f"lllite_unet_{name}."): value for key, value in saved.items() if name in key}

        def linear(part: str, x: Tensor) -> Tensor:
            return x @ own[f"{part}.0.weight"].T + own[f"{part}.0.bias"]

        cells = hint
        for place in ("0", "2"):
            weight, bias = own[f"conditioning1.{place}.weight"], own[f"conditioning1.{place}.bias"]
            cells = torch.nn.functional.conv2d(cells.relu() if place == "2" else cells, weight, bias, weight.shape[-1])
        tokens = cells.flatten(2).transpose(1, 2).expand(2, -1, -1)

        def before(_: Any, given: Any) -> Any:
            x = given[0]
            inner = linear("mid", torch.cat([tokens, linear("down", x).relu()], 2)).relu()
            return (x + 0.5 * linear("up", inner), *given[1:])

        return before

    handles = [layer.register_forward_pre_hook(formula(name)) for layer, name in zip(layers, LAYERS, strict=True)]
    wanted = evaluated(tiny, rows)
    for handle in handles:
        handle.remove()
    given = act(file, tiny, 0.5)
    ours = evaluated(tiny, replace(rows, acts=((given,), (given,))))
    torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-5)
    assert (ours - evaluated(tiny, rows)).abs().max() > 1e-3


def test_sizes_that_are_no_whole_number_of_its_cells(tiny: Model, file: Path) -> None:
    given = act(file, tiny, pixels=picture(72, 56))
    rows = rows_of(tiny, sides=(9, 7))
    assert (evaluated(tiny, replace(rows, acts=((given,), ()))) - evaluated(tiny, rows))[0].abs().max() > 1e-4


def test_what_it_is_and_for_whom(tiny: Model, file: Path, tmp_path: Path) -> None:
    assert (identify(file).kind, control_for(listing_of(file))) == ("controlnet", ("sd", "1.x"))
    xl = {"input_blocks_4_1_transformer_blocks_0_attn1_to_q": 640}
    save_file(tensors(xl), tmp_path / "xl.safetensors")
    assert control_for(listing_of(tmp_path / "xl.safetensors")) == ("sdxl", "base")
    with pytest.raises(Mismatch, match="'xl' does not fit 'tiny': it has a layer for input_blocks_4_1"):
        load_control(tmp_path / "xl.safetensors", tiny.machine).fitted(tiny)
    short = {key: value for key, value in tensors().items() if ".down.0.weight" not in key}
    save_file(short, tmp_path / "short.safetensors")
    with pytest.raises(Incomplete, match=r"down\.0\.weight"):
        load_control(tmp_path / "short.safetensors", tiny.machine)
