"""From weights files to a module, with every tensor accounted for.

Modules are built without memory and take the file's tensors as they are. Pickles are opened by torch's weights-only
unpickler alone, after their structure was checked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from easel.core.errors import Incomplete, Mismatch, Unsafe
from easel.models.files.keeping import Keep, placed
from easel.models.files.listing import one_line
from easel.models.files.opcodes import PARAMETERS
from easel.models.files.opening import listing_of
from easel.models.files.packed import Packed
from easel.models.files.pickled import INERT, is_pickled, is_zipped, read_pickled, weights_in
from easel.models.files.reading import read_mapped


def read_tensors(files: tuple[Path, ...], wanted: Collection[str] | None = None) -> dict[str, Tensor | Packed]:
    """Return the tensors of `files` by name, all or those wanted, mapped and not read; low-bit weights stay packed.

    Raises ModelError naming the file.
    """
    tensors: dict[str, Tensor | Packed] = {}
    for file in files:
        if is_pickled(file):
            found = read_pickled_tensors(file)
            tensors |= {name: tensor for name, tensor in found.items() if wanted is None or name in wanted}
        else:
            tensors |= read_mapped(listing_of(file), wanted)
    return tensors


class Inert:
    """Stands for what a training program left beside the weights; takes everything and does nothing."""

    def __init__(self, *_: Any) -> None: ...
    def __setstate__(self, _: Any) -> None: ...


class Parameters(dict[str, Any]):
    """Stands for torch's dict of parameters, and is one of them by name."""

    def __setstate__(self, state: Any) -> None:
        """Take the parameters out of what torch's own would be built from."""
        inner = state.get("_parameters") if isinstance(state, dict) else None
        self.update(inner if isinstance(inner, dict) else {})


def read_pickled_tensors(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a torch pickle by torch's weights-only unpickler, mapped where it is a zip.

    What the pickle asks for is checked before, by pickled.py; both must agree on every tensor. Raises Unsafe,
    Incomplete or Mismatch.
    """
    listing = read_pickled(file)
    known: list[Any] = [*((Inert, name) for name in INERT), (Parameters, PARAMETERS)]
    try:
        # a pickle called .safetensors would be taken by torch for what it is called
        mapped = file.suffix != ".safetensors" and is_zipped(file)
        with file.open("rb") as opened, torch.serialization.safe_globals(known):
            source = file if mapped else opened
            made: Any = torch.load(source, map_location="cpu", weights_only=True, mmap=mapped)
    except UnpicklingError as error:
        reason = one_line(error)
        raise Unsafe(f"{file}: torch's weights-only unpickler refuses it ({reason}); nothing of it was run.") from None
    except (OSError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, EOFError) as error:
        raise Incomplete(f"{file}: truncated or damaged ({one_line(error)}); fetch it again.") from None
    weights = weights_in(made)
    for name, stored in listing.tensors.items():
        if not isinstance(weights.get(name), Tensor) or tuple(weights[name].shape) != stored.shape:
            raise Mismatch(f"{file}: {name!r} is not what the file's structure says.")
    return {name: weights[name] for name in listing.tensors}


def build(
    make: Callable[[], nn.Module],
    given: Mapping[str, Tensor | Packed],
    where: Path,
    *,
    dtype: torch.dtype,
    device: str,
    names: Mapping[str, str] | None = None,
    keep: Keep = "packed",
    layout: torch.memory_format = torch.preserve_format,
) -> nn.Module:
    """Return the module that `make` describes with the tensors given, in evaluation mode.

    where: what the tensors come from, for messages; names: what the file calls them where the module does otherwise;
    keep: which weights stay in few bits, see keeping.py; layout: of weights with four axes, which are cast and
    laid out in one go. Raises Incomplete for missing tensors, Mismatch for wrong shapes or tensors nobody asked for.
    """
    said = names or {}
    try:
        with torch.device("meta"):
            module = make()
    except (ValueError, TypeError, ZeroDivisionError, RuntimeError, AssertionError) as error:
        raise Mismatch(f"{where}: its shapes or config make no network ({one_line(error)}).") from None
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
        if isinstance(tensor, Tensor) and not tensor.is_floating_point():
            raise Mismatch(f"{where}: {said.get(key, key)!r} holds {tensor.dtype}, needed are floating-point numbers.")
    placed(module, given, dtype=dtype, device=device, keep=keep, layout=layout)
    return module.requires_grad_(False).eval()
