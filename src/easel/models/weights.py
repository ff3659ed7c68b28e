"""From safetensors files to a module, with every tensor accounted for.

Modules are built without memory and take the file's tensors as they are. Pickles are never opened here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from easel.core.errors import Incomplete, Mismatch
from easel.models.identify import files_of


def read_tensors(files: tuple[Path, ...], device: str = "cpu") -> dict[str, Tensor]:
    """Return every tensor of `files` by name; raises Incomplete for a truncated or damaged file."""
    tensors: dict[str, Tensor] = {}
    for file in files:
        try:
            with safe_open(file, framework="pt", device=device) as opened:
                tensors |= {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 - not a dict
        except (SafetensorError, OSError) as error:
            raise Incomplete(f"{file}: truncated or damaged ({error}); fetch it again.") from None
    return tensors


def build(
    make: Callable[[], nn.Module],
    folder: Path,
    *,
    dtype: torch.dtype,
    device: str,
    rename: Callable[[str], str | None] = lambda key: key,
) -> nn.Module:
    """Return the module that `make` describes with the weights of `folder`, in evaluation mode.

    rename maps a file's key to the module's, None for a key the module does without.
    Raises Incomplete for missing tensors, Mismatch for wrong shapes or tensors that nobody asked for.
    """
    files = files_of(folder)
    with torch.device("meta"):
        module = make()
    wanted = module.state_dict()
    given = {new: tensor for key, tensor in read_tensors(files).items() if (new := rename(key)) is not None}
    where = files[0] if len(files) == 1 else folder
    if missing := sorted(wanted.keys() - given.keys()):
        raise Incomplete(f"{where}: {len(missing)} tensors are missing, first {missing[0]!r}; fetch it again.")
    if unknown := sorted(given.keys() - wanted.keys()):
        raise Mismatch(
            f"{where}: {len(unknown)} tensors have no place in {type(module).__name__}, first {unknown[0]!r}."
        )
    for key, tensor in given.items():
        if tensor.shape != wanted[key].shape:
            raise Mismatch(
                f"{where}: {key!r} is {tuple(tensor.shape)}, {type(module).__name__} needs {tuple(wanted[key].shape)}."
            )
    module.load_state_dict({key: tensor.to(device, dtype) for key, tensor in given.items()}, assign=True)
    return module.requires_grad_(False).eval()
