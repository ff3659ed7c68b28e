"""Beginning from weights that are there: those of the same build, or of a U-Net with one level less.

The levels of the smaller one become the inner levels of the larger. What has another shape takes over what overlaps,
and looks at the words where there were none say nothing at first. Knows names and shapes; knows no stage.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

LEVELS = re.compile(r"down_blocks\.(\d+)\.")


def weights_in(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of an exported part, of all its files."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise FileNotFoundError(f"{folder} has no safetensors file to begin from")
    return {name: tensor.float() for file in files for name, tensor in load_file(file).items()}


def levels_in(names: Mapping[str, object]) -> int:
    """How many levels a U-Net with tensors of these names has."""
    return 1 + max((int(found[1]) for name in names if (found := LEVELS.match(name))), default=-1)


def moved_inwards(known: Mapping[str, torch.Tensor], by: int) -> dict[str, torch.Tensor]:
    """A U-Net's tensors as those of one with `by` more levels outside; the way up keeps its numbers."""
    return {LEVELS.sub(lambda m: f"down_blocks.{int(m[1]) + by}.", name): value for name, value in known.items()}


def taken(wanted: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """`wanted` with the numbers of `known` wherever both have a place."""
    out = wanted.clone()
    common = tuple(slice(min(a, b)) for a, b in zip(wanted.shape, known.shape, strict=True))
    out[common] = known[common].to(wanted)
    return out


def begin_from(module: nn.Module, folder: Path) -> None:
    """Takes over the weights of an exported part as far as they fit; the others stay as they are."""
    begin_with(module, weights_in(folder))


@torch.no_grad()
def begin_with(module: nn.Module, known: Mapping[str, torch.Tensor]) -> None:
    """Takes over weights as far as they fit, those of a smaller U-Net as the inner levels."""
    own = module.state_dict()
    known = moved_inwards(known, max(0, levels_in(own) - levels_in(known)))
    for name, tensor in own.items():
        if ".attentions." in name and ".proj_out." in name and name not in known:
            tensor.zero_()
    fitting = {n: taken(t, known[n]) for n, t in own.items() if n in known and known[n].ndim == t.ndim}
    module.load_state_dict({**own, **fitting})
    whole = sum(known[name].shape == own[name].shape for name in fitting)
    print(f"begins with {whole} of {len(own)} known tensors and parts of {len(fitting) - whole} of them", flush=True)
