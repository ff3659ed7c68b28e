"""Detectors of Ultralytics' build at tiny size: ONNX files whose answers are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 64


def write(
    path: Path,
    outputs: Sequence[numpy.ndarray],
    *,
    names: Mapping[int, str] | None = None,
    side: Any = SIDE,
    half: bool = False,
    nodes: Sequence[Any] = (),
) -> Path:
    """Write a detector that answers `outputs` whatever it sees; nodes: instead, ones that end in "output0"."""
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    told = [numpy.asarray(one, numpy.float16 if half else numpy.float32) for one in outputs]
    constants = [] if nodes else [numpy_helper.from_array(one, f"kept{n}") for n, one in enumerate(told)]
    made = list(nodes) or [helper.make_node("Identity", [f"kept{n}"], [f"output{n}"]) for n in range(len(told))]
    graph = helper.make_graph(
        made,
        "detector",
        [helper.make_tensor_value_info("images", kind, [1, 3, side, side])],
        [helper.make_tensor_value_info(f"output{n}", kind, list(one.shape)) for n, one in enumerate(told)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if names is not None:
        helper.set_model_props(model, {"names": repr(dict(names)), "task": "detect"})
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    return path


def table(rows: Sequence[Sequence[float]], places: int = 40) -> numpy.ndarray:
    """Return version 8's output, (1, numbers, places), of rows (x, y, width, height, scores ...), else empty."""
    found = numpy.zeros((places, len(rows[0])), numpy.float32)
    found[: len(rows)] = rows
    return found.T[None]


def older(rows: Sequence[Sequence[float]], places: int = 1600) -> numpy.ndarray:
    """Return version 5's output, (1, places, numbers): rows of (x, y, width, height, sure, scores ...)."""
    found = numpy.zeros((places, len(rows[0])), numpy.float32)
    found[: len(rows)] = rows
    return found[None]
