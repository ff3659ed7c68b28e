"""From a network's file to its pieces: what it changes, each under the name that the file has for the layer.

Knows files and kinds; does not know which model it will be worn by.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from easel.adapters.networks.alpha import Alpha, alpha_of
from easel.adapters.networks.change import Change
from easel.adapters.networks.difference import Difference
from easel.adapters.networks.hashes import network_hash
from easel.adapters.networks.kinds import change_of
from easel.adapters.networks.lowrank import LowRank
from easel.adapters.networks.names import BUNDLED, split_key
from easel.core.errors import Mismatch, Unrecognised, Unsupported
from easel.models.files.opening import listing_of
from easel.models.files.packed import Packed
from easel.models.files.weights import read_tensors

RANKED = ("down", "hada_w1_b", "lokr_w2_b", "lokr_w1_b")  # roles whose first axis is the rank


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """What a network does to one layer: a change of its weight, a difference of its bias, or both.

    layer: its name in the file; kind: in words, empty where the bias is all. factor: by what a strength is multiplied
    here, as weights by block want it.
    """

    layer: str
    kind: str
    change: Change | None
    bias: Difference | None
    factor: float = 1.0


@dataclass(frozen=True, eq=False)
class Network:
    """One file of extra networks. unknown: the keys that nobody knows. bundled: textual inversions by their word."""

    path: Path
    pieces: tuple[Piece, ...]
    metadata: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    unknown: tuple[str, ...] = ()
    bundled: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict[str, Mapping[str, Tensor]])

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @property
    def kinds(self) -> tuple[str, ...]:
        """What kinds of change are in it, in words."""
        return tuple(sorted({piece.kind or "bias" for piece in self.pieces}))

    @cached_property
    def hash(self) -> str:
        """Its hash as infotext has it, 12 hex digits; see hashes.py. The file is read for it when it is first asked."""
        return network_hash(self.path, self.metadata)


def read_network(file: Path) -> Network:
    """Return the network of a safetensors file or a torch pickle.

    Raises ModelError naming the file: Unrecognised where none of its keys is a network's, Mismatch for a tensor that
    makes no sense.
    """
    metadata = listing_of(file).metadata
    tensors = {name: plain(tensor) for name, tensor in read_tensors((file,)).items()}
    bundled: dict[str, dict[str, Tensor]] = defaultdict(dict)
    layers: dict[str, dict[str, Tensor]] = defaultdict(dict)
    unknown: list[str] = []
    for key, tensor in tensors.items():
        if key.startswith(BUNDLED) and key.count(".") > 1:
            _, word, rest = key.split(".", 2)
            bundled[word][rest] = tensor
        elif (found := split_key(key)) is None:
            unknown.append(key)
        else:
            layers[found[0]][found[1]] = tensor
    alpha = alpha_of(file, metadata)
    pieces: list[Piece] = []
    for layer, roles in layers.items():
        piece, left = piece_of(file, layer, roles, alpha)
        unknown.extend(f"{layer} ({role})" for role in left)
        if piece is not None:
            pieces.append(piece)
    if not pieces:
        raise Unrecognised(
            f"{file}: not a LoRA or its kin; none of its {len(tensors)} tensors is of a kind known here."
        )
    shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    return Network(file, tuple(pieces), metadata, shapes, tuple(sorted(unknown)), dict(bundled))


def piece_of(file: Path, layer: str, roles: Mapping[str, Tensor], alpha: Alpha) -> tuple[Piece | None, list[str]]:
    """Return what the tensors of one layer make, by role, and the roles left over. Raises Mismatch naming the file."""
    numbers = {role: tensor for role, tensor in roles.items() if role in ("alpha", "scale")}
    weights = {role: tensor for role, tensor in roles.items() if role not in numbers}
    try:
        scale = one_number(numbers, "scale")
        said = one_number(numbers, "alpha")
        rank = next((len(weights[role]) for role in RANKED if role in weights), 0)
        if said is None and rank:
            said = alpha(layer, rank)
        if scale is not None and rank:
            said = scale * rank
        kind, change, left = change_of(weights, said)
    except (IndexError, RuntimeError, ValueError) as error:
        told = ", ".join(f"{role} {tuple(tensor.shape)}" for role, tensor in weights.items())
        reason = " ".join(str(error).split())[:120]
        raise Mismatch(f"{file}: the tensors of {layer!r} do not fit one another: {told} ({reason}).") from None
    bias = Difference(weights["diff_b"]) if "diff_b" in left else None
    if "up_bias" in left and isinstance(change, LowRank):
        bias = Difference(weights["up_bias"].float() * change.scale)
    leftover = sorted(set(left) - {"diff_b", "up_bias"})
    return (None if change is None and bias is None else Piece(layer, kind, change, bias)), leftover


def plain(tensor: Tensor | Packed) -> Tensor:
    """Return a tensor of a file in full numbers."""
    return tensor if isinstance(tensor, Tensor) else tensor.unpacked(torch.float32)


def one_number(tensors: Mapping[str, Tensor], name: str) -> float | None:
    """Return the one number of a tensor, None where it is missing. Raises RuntimeError where there are more."""
    return float(tensors[name].item()) if name in tensors else None


def shortened(network: Network, rank: int) -> Network:
    """Return a network with the first `rank` ranks of each LoRA in it, as `dyn` in a prompt asks.

    Raises Unsupported where nothing in it is a plain LoRA.
    """
    if not any(isinstance(piece.change, LowRank) for piece in network.pieces):
        kinds = ", ".join(network.kinds)
        raise Unsupported(f"{network.name} is {kinds}, and dyn cuts the rank of LoRA alone; leave it out.")
    pieces = tuple(
        replace(piece, change=piece.change.shortened(rank)) if isinstance(piece.change, LowRank) else piece
        for piece in network.pieces
    )
    return replace(network, pieces=pieces)
