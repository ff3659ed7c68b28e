"""Files of the same inputs and outputs as the published ones, made at tiny size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageDraw
from torch import nn

from easel.core.settings import read_settings
from easel.models.library.names import Library
from easel.models.readers import Readers

OPSET, FORMAT = 17, 9


def readers_of(models: Path) -> Readers:
    """Return readers over a models folder."""
    return Readers(Library(read_settings(models=models)))


def scene(width: int = 96, height: int = 64) -> Image.Image:
    """Return a drawn picture."""
    image = Image.new("RGB", (width, height), (230, 225, 210))
    pen = ImageDraw.Draw(image)
    pen.ellipse((10, 8, width // 2, height - 10), fill=(200, 90, 40), outline=(20, 20, 30), width=2)
    pen.rectangle((width // 2 + 4, 20, width - 8, height - 6), fill=(60, 110, 190))
    return image


def write_weights(module: nn.Module, file: Path, *, prefix: str = "", dtype: torch.dtype = torch.float32) -> Path:
    """Write a network's weights as torch saves them; training leaves counters of batches beside them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    state = {prefix + name: tensor.to(dtype) for name, tensor in module.state_dict().items()}
    torch.save(state, file)
    return file


def write_program(
    file: Path, nodes: list[Any], outputs: dict[str, tuple[Any, ...]], inputs: tuple[Any, ...], **constants: Any
) -> Path:
    """Write an ONNX file of these nodes, whose one input is called "seen"; constants: float32 arrays by name."""
    file.parent.mkdir(parents=True, exist_ok=True)
    kept = [
        numpy_helper.from_array(value if value.dtype == numpy.int64 else value.astype(numpy.float32), name)
        for name, value in ((name, numpy.asarray(value)) for name, value in constants.items())
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("seen", TensorProto.FLOAT, list(inputs))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name, shape in outputs.items()],
        kept,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=FORMAT)
    onnx.checker.check_model(model)
    onnx.save(model, str(file))
    return file


def write_finder(file: Path, guesses: numpy.ndarray, side: int = 64) -> Path:
    """Write a YOLOX that answers `guesses`, (cells, 85), the likelier the bluer its picture is."""
    nodes = [
        helper.make_node("Slice", ["seen", "first", "second", "channel"], ["blue"]),
        helper.make_node("ReduceMean", ["blue"], ["light"], keepdims=0),
        helper.make_node("Div", ["light", "full"], ["share"]),
        helper.make_node("Mul", ["scores", "share"], ["scored"]),
        helper.make_node("Concat", ["places", "scored"], ["found"], axis=2),
    ]
    whole = {"first": numpy.array([0]), "second": numpy.array([1]), "channel": numpy.array([1])}
    return write_program(
        file,
        nodes,
        {"found": (1, *guesses.shape)},
        (1, 3, side, side),
        **whole,
        full=255.0,
        places=guesses[None, :, :4],
        scores=guesses[None, :, 4:],
    )


def write_pointer(file: Path, columns: numpy.ndarray, rows: numpy.ndarray, sides: tuple[int, int]) -> Path:
    """Write a DWPose that always answers these columns and rows, (133, places) each."""
    nodes = [
        helper.make_node("ReduceMean", ["seen"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
        helper.make_node("Add", ["x", "zero"], ["simcc_x"]),
        helper.make_node("Add", ["y", "zero"], ["simcc_y"]),
    ]
    return write_program(
        file,
        nodes,
        {"simcc_x": (1, *columns.shape), "simcc_y": (1, *rows.shape)},
        (1, 3, *sides),
        nothing=0.0,
        x=columns[None],
        y=rows[None],
    )


def write_red_finder(file: Path, side: int | str = 32, *, scale: float = 1.0) -> Path:
    """Write a network that says how red each pixel of what it sees is, times `scale`, as a mask (1, 1, ...)."""
    nodes = [
        helper.make_node("Slice", ["seen", "first", "second", "channel"], ["red"]),
        helper.make_node("Mul", ["red", "scale"], ["mask"]),
    ]
    whole = {"first": numpy.array([0]), "second": numpy.array([1]), "channel": numpy.array([1])}
    shape = ("high", "wide") if isinstance(side, str) else (side, side)
    return write_program(file, nodes, {"mask": (1, 1, *shape)}, (1, 3, *shape), **whole, scale=scale)
