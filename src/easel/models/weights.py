"""From weights files to a module, with every tensor accounted for.

Modules are built without memory and take the file's tensors as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from easel.core.errors import Incomplete, Mismatch


def read_tensors(files: tuple[Path, ...], wanted: Collection[str] | None = None) -> dict[str, Tensor]:
    """Return the tensors of `files` by name, all or those wanted; raises Incomplete for a damaged file."""
    tensors: dict[str, Tensor] = {}
    for file in files:
        try:
            with safe_open(file, framework="pt") as opened:
                names = opened.keys() if wanted is None else [name for name in opened.keys() if name in wanted]  # noqa: SIM118 - not a dict
                tensors |= {name: opened.get_tensor(name) for name in names}
        except (SafetensorError, OSError) as error:
            raise Incomplete(f"{file}: truncated or damaged ({error}); fetch it again.") from None
    return tensors


def build(
    make: Callable[[], nn.Module],
    given: Mapping[str, Tensor],
    where: Path,
    *,
    dtype: torch.dtype,
    device: str,
    names: Mapping[str, str] | None = None,
) -> nn.Module:
    """Return the module that `make` describes with the tensors given, in evaluation mode.

    where: what the tensors come from, for messages; names: what the file calls them where the module does otherwise.
    Raises Incomplete for missing tensors, Mismatch for wrong shapes or tensors that nobody asked for.
    """
    said = names or {}
    try:
        with torch.device("meta"):
            module = make()
    except (ValueError, TypeError, ZeroDivisionError, RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise Mismatch(f"{where}: its shapes or config make no network ({reason}).") from None
    kind = type(module).__name__
    wanted = module.state_dict()
    if missing := sorted(wanted.keys() - given.keys()):
        raise Incomplete(f"{where}: {len(missing)} tensors are missing, first {missing[0]!r}; fetch it again.")
    if unknown := sorted(said.get(key, key) for key in given.keys() - wanted.keys()):
        raise Mismatch(f"{where}: {len(unknown)} tensors have no place in {kind}, first {unknown[0]!r}.")
    for key, tensor in given.items():
        if tensor.shape != wanted[key].shape:
            raise Mismatch(
                f"{where}: {said.get(key, key)!r} is {tuple(tensor.shape)}, {kind} needs {tuple(wanted[key].shape)}."
            )
        if not tensor.is_floating_point():
            raise Mismatch(f"{where}: {said.get(key, key)!r} holds {tensor.dtype}, needed are floating-point numbers.")
    module.load_state_dict({key: tensor.to(device, dtype) for key, tensor in given.items()}, assign=True)
    return module.requires_grad_(False).eval()
