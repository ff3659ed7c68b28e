"""k-diffusion's sampling.py, loaded alone: its package imports torchvision and more, which need not be installed."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch


@cache
def k_diffusion() -> Any:
    """Return the module k_diffusion.sampling under a stand-in package; skip where it is not installed."""
    spec = importlib.util.find_spec("k_diffusion")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("k-diffusion is not installed")
    package, utils = ModuleType("stand_in_k_diffusion"), ModuleType("stand_in_k_diffusion.utils")
    package.__path__ = []
    utils.append_dims = lambda x, ndim: x[(...,) + (None,) * (ndim - x.ndim)]  # type: ignore[attr-defined]
    package.utils = utils  # type: ignore[attr-defined]
    source = Path(spec.submodule_search_locations[0]) / "sampling.py"
    ours = importlib.util.spec_from_file_location("stand_in_k_diffusion.sampling", source)
    assert ours is not None and ours.loader is not None
    module = importlib.util.module_from_spec(ours)
    sys.modules |= {package.__name__: package, utils.__name__: utils, module.__name__: module}
    ours.loader.exec_module(module)
    return module


def as_model(denoiser: Any) -> Any:
    """Return a denoiser of (x, float) as k-diffusion calls models, with sigma a row's own."""
    return lambda x, sigma, **_: denoiser(x, float(sigma.reshape(-1)[0]))


def float32(values: Any) -> torch.Tensor:
    return torch.tensor(tuple(values), dtype=torch.float32)
