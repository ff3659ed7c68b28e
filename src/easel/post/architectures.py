"""Networks that the package spandrel knows by their tensors: ESRGAN, SwinIR, DAT, HAT, SCUNet, GFPGAN and many more.

Gives spandrel tensors and never files, so that no pickle is run. Knows nothing of what the networks are for.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor

from easel.core.errors import Mismatch, ResourceError, Unrecognised
from easel.models.files.weights import read_tensors

KNOWN = "https://github.com/chaiNNer-org/spandrel#model-architecture-support"
WRAPPED = ("params_ema.", "params-ema.", "params.", "g_ema.")  # what training programs put weights under, best first
STANDING_IN = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")


def tensors_of(path: Path) -> dict[str, Tensor]:
    """Return a file's weights by name, without what a training program put before them. Raises ModelError."""
    found = read_tensors((path,))
    for prefix in WRAPPED:
        if inner := {name.removeprefix(prefix): one for name, one in found.items() if name.startswith(prefix)}:
            found = inner
            break
    if packed := [name for name, one in found.items() if not isinstance(one, Tensor)]:
        raise Mismatch(f"{path}: {packed[0]!r} is kept in few bits; needed are full numbers.")
    return {name: one for name, one in found.items() if isinstance(one, Tensor)}


def described(tensors: Mapping[str, Tensor], path: Path, purpose: str) -> Any:
    """Return spandrel's descriptor of the network that has these tensors, on the processor in float32.

    Raises ResourceError without spandrel, Unrecognised or Mismatch naming the file.
    """
    with torchvision_or_stand_in():
        try:
            import spandrel
        except ImportError as error:
            how = "`pip install --no-deps spandrel einops` brings it"
            raise ResourceError(f"{purpose} by {path.name} needs the package spandrel; {how}.") from error
    try:
        with warnings.catch_warnings(action="ignore"):  # of what torch will change some day, in others' code
            return spandrel.ModelLoader("cpu").load_from_state_dict(spandrel.canonicalize_state_dict(dict(tensors)))
    except spandrel.UnsupportedModelError:
        raise Unrecognised(f"{path}: is no network that spandrel knows; see {KNOWN}.") from None
    except (RuntimeError, ValueError, TypeError, LookupError, AssertionError, ArithmeticError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise Mismatch(f"{path}: its tensors make no whole network ({reason[:200]}).") from None


@contextmanager
def torchvision_or_stand_in() -> Iterator[None]:
    """Let spandrel be imported where torchvision is missing, or made for another torch and stops at its import.

    spandrel takes from it how numbers are brought to -1..1, which is done here, and how pictures are turned, which no
    network needs that is used here. What stands in is gone afterwards: other packages, transformers among them, behave
    otherwise where they find a torchvision.
    """
    try:
        import_module("torchvision")
    except (ImportError, RuntimeError):
        pass
    else:
        yield
        return
    kept = {name: sys.modules.pop(name, None) for name in STANDING_IN}
    root, transforms, functional = (ModuleType(name) for name in STANDING_IN)
    vars(functional).update(normalize=normalized, rotate=refused, InterpolationMode=None)
    vars(transforms).update(functional=functional)
    vars(root).update(transforms=transforms)
    sys.modules.update(zip(STANDING_IN, (root, transforms, functional), strict=True))
    try:
        yield
    finally:
        for name, module in kept.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module


def normalized(x: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Return pictures (..., channels, height, width) less a mean a channel, in units of its standard deviation."""
    shape = (len(mean), 1, 1)
    return (x - x.new_tensor(mean).reshape(shape)) / x.new_tensor(std).reshape(shape)


def refused(*_: Any, **__: Any) -> Any:
    """Refuse to turn a picture."""
    raise ResourceError("this network needs torchvision, which is not installed or made for another torch.")
