"""Detectors as ONNX files with the published inputs and outputs, whose networks see red: what is red is a face.

Real networks, written by hand: a convolution tells how red a pixel is, an average over a cell how sure that cell is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

POINTS = ((-0.2, -0.2), (0.2, -0.2), (0.0, 0.0), (-0.15, 0.25), (0.15, 0.25))  # of a face, in its own sides
STRIDES = (8, 16, 32)
SIDE = 48.0  # pixels of the faces that it tells of


def write_yunet(path: Path, *, fixed: int | None = None, side: float = SIDE) -> Path:
    """Write a detector of YuNet's kind: a red cell of 16 pixels is the middle of a face of `side` pixels.

    fixed: the side of the pictures that it insists on, as the published files do.
    """
    nodes, held = [], []
    for stride in STRIDES:
        sure = 1.0 if stride == 16 else 0.0
        red = numpy.array([-1, -1, 1], numpy.float32).reshape(1, 3, 1, 1) / 255 * sure
        sides = math.log(side / stride)
        points = [0.5 + value * side / stride for point in POINTS for value in point]
        rows: dict[str, tuple[Any, list[float]]] = {"cls": (red, [0.0]), "obj": (red, [0.0])}
        rows["bbox"] = (numpy.zeros((4, 3, 1, 1), numpy.float32), [0.5, 0.5, sides, sides])
        rows["kps"] = (numpy.zeros((10, 3, 1, 1), numpy.float32), points)
        for word, (weight, bias) in rows.items():
            more, kept = cells(f"{word}_{stride}", weight, bias, stride, batched=True)
            nodes, held = nodes + more, held + kept
    outputs = [(f"{word}_{stride}", width) for word, width in WIDTHS.items() for stride in STRIDES]
    given = [1, 3, fixed or "height", fixed or "width"]
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, None, width]) for name, width in outputs]
    return written(path, nodes, held, given, made)


def write_scrfd(path: Path) -> Path:
    """Write a detector of SCRFD's kind, which has two rows a cell: the first sees red, the second nothing."""
    nodes, held = [], []
    for stride in STRIDES:
        half = SIDE / 2 / stride
        middle = 0.5
        red = numpy.array([1, -1, -1], numpy.float32).reshape(1, 3, 1, 1) / 2 * (stride == 16)
        # of the values -1..1 that it is given, 1 -1 -1 is red: half of 3 less a half is 1
        scores = numpy.concatenate((red, red * 0)), [-0.5 if stride == 16 else 0.0, 0.0]
        edges = [half - middle, half - middle, half + middle, half + middle] * 2
        points = [middle + value * SIDE / stride for point in POINTS for value in point] * 2
        rows: dict[str, tuple[Any, list[float]]] = {
            "score": scores,
            "edge": (numpy.zeros((8, 3, 1, 1), numpy.float32), edges),
        }
        rows["point"] = (numpy.zeros((20, 3, 1, 1), numpy.float32), points)
        for word, (weight, bias) in rows.items():
            more, kept = cells(f"{word}_{stride}", weight, bias, stride, batched=False)
            nodes, held = nodes + more, held + kept
    widths = {"score": 1, "edge": 4, "point": 10}
    made = [
        helper.make_tensor_value_info(f"{word}_{stride}", TensorProto.FLOAT, [None, width])
        for word, width in widths.items()
        for stride in STRIDES
    ]
    return written(path, nodes, held, [1, 3, "height", "width"], made)


WIDTHS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
ROW = {"score": 1, "edge": 4, "point": 10, **WIDTHS}


def cells(
    name: str, weight: numpy.ndarray, bias: Sequence[float], stride: int, *, batched: bool
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Return the nodes that average a convolution of 1 x 1 over cells and give a row a cell, or several."""
    row = ROW[name.split("_")[0]]
    shape = [1, -1, row] if batched else [-1, row]
    constants = {
        f"{name}.w": weight.astype(numpy.float32),
        f"{name}.b": numpy.array(bias, numpy.float32),
        f"{name}.s": numpy.array(shape, numpy.int64),
    }
    nodes = [
        helper.make_node("Conv", ["input", f"{name}.w", f"{name}.b"], [f"{name}.c"]),
        helper.make_node("AveragePool", [f"{name}.c"], [f"{name}.p"], kernel_shape=[stride] * 2, strides=[stride] * 2),
        helper.make_node("Transpose", [f"{name}.p"], [f"{name}.t"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", [f"{name}.t", f"{name}.s"], [name]),
    ]
    return nodes, [numpy_helper.from_array(value, key) for key, value in constants.items()]


def written(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    held: Sequence[onnx.TensorProto],
    given: Sequence[int | str],
    made: Sequence[onnx.ValueInfoProto],
) -> Path:
    """Write a graph of one input, `input`, and return where."""
    read = helper.make_tensor_value_info("input", TensorProto.FLOAT, given)
    graph = helper.make_graph(nodes, "detector", [read], made, held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
