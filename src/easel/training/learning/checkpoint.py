"""Checkpoints: everything a training run needs to go on as if it had never stopped, in one safetensors file.

One file, so that replacing it is atomic. What is made once and kept beside it, such as latents, is written so too.
Knows tensors and JSON values; knows no model.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

LARGEST = 16_000_000  # bytes of a file of kept tensors


def save(path: Path, groups: Mapping[str, Mapping[str, torch.Tensor]], facts: Mapping[str, Any]) -> None:
    """Writes groups of tensors as `group/name` and `facts` as JSON in the header; all or nothing."""
    tensors = {f"{group}/{name}": t.detach().contiguous() for group, part in groups.items() for name, t in part.items()}
    write(path, tensors, {"facts": json.dumps(dict(facts))})


def write(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Writes a safetensors file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    passing = path.with_suffix(".part")
    save_file(dict(tensors), passing, metadata=dict(metadata))
    os.replace(passing, path)


def kept(path: Path, make: Callable[[], Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """What `make` gives, on the CPU: from the file where it is there, else made and written to it.

    Raises ValueError where the file would take more than LARGEST bytes.
    """
    if not path.is_file():
        rows = {name: tensor.cpu().contiguous() for name, tensor in make().items()}
        size = sum(tensor.nbytes for tensor in rows.values())
        if size > LARGEST:
            raise ValueError(f"{path.name} would take {size:,} bytes, at most {LARGEST:,}: take fewer rows")
        write(path, rows, {})
        print(f"kept {path.name}", flush=True)
    return load_file(path)


def load(path: Path) -> tuple[dict[str, dict[str, torch.Tensor]], dict[str, Any]]:
    """The groups and facts that `save` wrote."""
    groups: dict[str, dict[str, torch.Tensor]] = {}
    with safe_open(path, "pt") as file:
        facts = json.loads(file.metadata()["facts"])
        for key in file.keys():  # noqa: SIM118  (safe_open is no mapping)
            group, name = key.split("/", 1)
            groups.setdefault(group, {})[name] = file.get_tensor(key)
    return groups, facts


def optimizer_tensors(optimizers: Sequence[torch.optim.Optimizer], module: nn.Module) -> dict[str, torch.Tensor]:
    """The optimizers' per-parameter state by parameter name."""
    return {
        f"{name}:{key}": value
        for name, parameter in module.named_parameters()
        for optimizer in optimizers
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def restore_optimizers(
    optimizers: Sequence[torch.optim.Optimizer], module: nn.Module, tensors: Mapping[str, torch.Tensor]
) -> None:
    """Puts back what `optimizer_tensors` took, each with the optimizer that owns the parameter."""
    parameters = dict(module.named_parameters())
    owners = {p: optimizer for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    for key, value in tensors.items():
        name, field = key.rsplit(":", 1)
        parameter = parameters[name]
        if value.shape == parameter.shape:
            value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        owners[parameter].state[parameter][field] = value
