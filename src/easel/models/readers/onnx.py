"""ONNX files opened by onnxruntime, an extra that is asked for only here. Knows no network."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from easel.core.errors import Incomplete, Mismatch, Unsupported

Array = NDArray[Any]
QUIET = 3  # of onnxruntime's log: errors alone
NEEDED = "onnxruntime reads .onnx files and is not installed; `pip install 'easel[control]'` adds it."


class Onnx:
    """One ONNX file, ready to run."""

    def __init__(self, path: Path, device: str = "cpu") -> None:
        """Open a file. Raises Unsupported without onnxruntime, Incomplete for what is no such file."""
        try:
            import onnxruntime
        except ImportError:
            raise Unsupported(NEEDED) from None
        options = onnxruntime.SessionOptions()
        options.log_severity_level = QUIET
        there = onnxruntime.get_available_providers()
        wanted = ["CUDAExecutionProvider"] if device == "cuda" else []
        providers = [*(one for one in wanted if one in there), "CPUExecutionProvider"]
        self.path = path
        self._faults = faults()
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except self._faults as error:
            raise Incomplete(f"{path}: cannot be opened as ONNX ({in_one_line(error)}); fetch it again.") from None

    @property
    def inputs(self) -> list[tuple[str, list[Any]]]:
        """The name and shape of each input; sides that may be anything are words or None."""
        return [(given.name, list(given.shape)) for given in self._session.get_inputs()]

    @property
    def sides(self) -> tuple[int, int] | None:
        """The (height, width) that its first input must have, None where any will do."""
        shape = self.inputs[0][1]
        fixed = [side for side in shape[-2:] if isinstance(side, int)]
        return (fixed[0], fixed[1]) if len(shape) == 4 and len(fixed) == 2 else None

    def run(self, pixels: Array) -> list[Array]:
        """Return all outputs for one input of float32. Raises Mismatch where the file takes another."""
        inputs = self.inputs
        if len(inputs) != 1:
            raise Mismatch(f"{self.path}: has {len(inputs)} inputs, needed is one picture.")
        try:
            found = self._session.run(None, {inputs[0][0]: numpy.ascontiguousarray(pixels, numpy.float32)})
        except self._faults as error:
            raise Mismatch(f"{self.path}: does not take a picture of {pixels.shape} ({in_one_line(error)}).") from None
        return [numpy.asarray(one) for one in found]


def open_onnx(path: Path, home: str) -> Onnx:
    """Return an ONNX file that runs on the processor. Raises as Onnx does."""
    return Onnx(path)


def open_on_cuda(path: Path, home: str) -> Onnx:
    """Return an ONNX file that runs on a CUDA card where onnxruntime can. Raises as Onnx does."""
    return Onnx(path, "cuda")


def faults() -> tuple[type[Exception], ...]:
    """Return what onnxruntime raises, of which nothing is above Exception."""
    state = import_module("onnxruntime.capi.onnxruntime_pybind11_state")

    named = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "NotImplemented")
    more = ("NoModel", "EPFail", "RuntimeException", "EngineError", "ModelLoadCanceled")
    kinds = [getattr(state, name) for name in (*named, *more) if hasattr(state, name)]
    return (*kinds, RuntimeError, ValueError, OSError)


def in_one_line(error: Exception) -> str:
    """Return an error's words without its lines, cut where they go on and on."""
    return " ".join(str(error).split())[:200]
