"""Networks in ONNX files, run by onnxruntime: opened with one clear error, given one picture, their outputs by name.

Knows nothing of what they are for. onnxruntime is imported here alone, at the first file.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from easel.core.errors import Incomplete, Mismatch, ResourceError

Outputs = Mapping[str, NDArray[numpy.float32]]
FAULTS = (
    *("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoModel", "NoSuchFile", "NotImplemented"),
    *("RuntimeException", "EPFail", "EngineError"),
)


def opened(path: Path, purpose: str) -> Any:
    """Return onnxruntime's session of a file, on the processor: such networks are small.

    Raises ResourceError where onnxruntime is not installed, Incomplete where the file cannot be read.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ResourceError(f"{purpose} needs onnxruntime; `pip install 'easel[control]'` brings it.") from error
    import torch

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except faults() as error:
        reason = " ".join(str(error).split())
        raise Incomplete(f"{path}: is no ONNX file that can be read ({reason[:200]}); fetch it again.") from None


def faults() -> tuple[type[Exception], ...]:
    """Return the errors that onnxruntime raises."""
    state = import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    return tuple(getattr(state, name) for name in FAULTS if hasattr(state, name))


def inputs_of(session: Any) -> dict[str, tuple[Any, ...]]:
    """Return the shapes of a network's inputs by name; a side that may be any is a text or None."""
    return {one.name: tuple(one.shape) for one in session.get_inputs()}


def outputs_of(session: Any) -> dict[str, tuple[Any, ...]]:
    """Return the shapes of a network's outputs by name, in order; a side that may be any is a text or None."""
    return {one.name: tuple(one.shape) for one in session.get_outputs()}


def run(session: Any, given: NDArray[numpy.float32]) -> Outputs:
    """Return a network's outputs by name for its one input. Raises Mismatch where it does not take it."""
    (name,) = inputs_of(session)
    try:
        found = session.run(None, {name: given})
    except faults() as error:
        reason = " ".join(str(error).split())
        raise Mismatch(f"the network does not take a picture of {given.shape} ({reason[:200]}).") from None
    return dict(zip(outputs_of(session), found, strict=True))
