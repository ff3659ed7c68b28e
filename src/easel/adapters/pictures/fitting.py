"""Whether an image prompt's file is made for a model, and which of the model's layers its LoRA is for.

Knows a file's shapes and a U-Net's layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from easel.adapters.networks.fitting import Fitted
from easel.adapters.networks.layers import weight_shape
from easel.adapters.networks.lowrank import LowRank
from easel.adapters.networks.reading import Piece
from easel.adapters.pictures.attention import crosses_of
from easel.adapters.pictures.reading import PictureFile
from easel.core.errors import Mismatch

LAYERS = {"q": "to_q", "k": "to_k", "v": "to_v", "out": "to_out.0"}


def unet_of(file: PictureFile, model: Any) -> nn.Module:
    """Return a model's U-Net. Raises Mismatch where it has none."""
    if "unet" not in model.parts:
        raise Mismatch(f"{file.path}: is an {file.words}; {model.name} has no U-Net. Use it with SD 1.x, 2.x or SDXL.")
    return model.parts["unet"]


def crosses_for(file: PictureFile, unet: nn.Module, name: str, keys: Sequence[Sequence[int]]) -> list[nn.Module]:
    """Return a U-Net's cross-attentions in order. Raises Mismatch where the file is not made for them.

    name: the model's. keys: the shapes of the file's layers that make keys.
    """
    crosses = [attention for _, attention in crosses_of(unet)]
    own = [weight_shape(attention.get_submodule("to_k")) for attention in crosses]
    width = own[0][1] if own else 0
    if len(own) != len(keys) or width != file.width:
        raise Mismatch(
            f"{file.path}: is an {file.words} ({len(keys)} cross-attentions); {name} has {len(own)}, which read "
            f"text {width} wide. Take an adapter that is made for such models."
        )
    for number, (mine, theirs) in enumerate(zip(keys, own, strict=True)):
        if tuple(mine) != tuple(theirs):
            raise Mismatch(f"{file.path}: {file.keys[number]!r} is {tuple(mine)}, {name} needs {tuple(theirs)}.")
    return crosses


def lora_for(file: PictureFile, unet: nn.Module, tensors: Mapping[tuple[int, str, str], Tensor]) -> Fitted | None:
    """Return what a LoRA of a file does to a U-Net's attentions, None where it has none. Raises Mismatch."""
    if not tensors:
        return None
    names = [name for name, one in unet.named_modules() if hasattr(one, "processor")]
    pieces: dict[str, tuple[Piece, ...]] = {}
    for number, letter, half in tensors:
        key = file.lora[number, letter, half]
        other = tensors.get((number, letter, "up" if half == "down" else "down"))
        if number >= len(names) or other is None:
            raise Mismatch(f"{file.path}: {key!r} has no counterpart in the file or the model; fetch it again.")
        if half == "up":
            continue
        layer = f"{names[number]}.{LAYERS[letter]}"
        change = LowRank(tensors[number, letter, half], other, 1.0)
        if not change.fits(weight_shape(unet.get_submodule(layer))):
            raise Mismatch(f"{file.path}: {key!r} does not fit this model's {layer}.")
        pieces[layer] = (Piece(key, "LoRA", change, None),)
    return Fitted(file.path.stem, pieces)
