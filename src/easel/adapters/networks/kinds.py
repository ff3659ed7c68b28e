"""The table of kinds: which tensors make which change of a layer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from easel.adapters.networks.change import Change
from easel.adapters.networks.decomposed import Decomposed
from easel.adapters.networks.difference import difference, norm
from easel.adapters.networks.generalised import generalised
from easel.adapters.networks.hadamard import hadamard
from easel.adapters.networks.kronecker import kronecker
from easel.adapters.networks.lowrank import low_rank
from easel.adapters.networks.rotation import rotation
from easel.adapters.networks.scaling import peft_scaling, scaling


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of network: its name, its maker, the roles it needs, those it may have."""

    name: str
    make: Callable[[Mapping[str, Tensor], float | None], Change]
    needs: frozenset[str]
    may: frozenset[str] = frozenset()


def kind(name: str, make: Callable[[Mapping[str, Tensor], float | None], Change], needs: str, may: str = "") -> Kind:
    """Return a row of the table; roles are words between spaces."""
    return Kind(name, make, frozenset(needs.split()), frozenset(may.split()))


kron = partial(kind, "LoKr", kronecker)

KINDS = (
    kind("LoRA", low_rank, "down up", "mid"),
    kind("LoHa", hadamard, "hada_w1_a hada_w1_b hada_w2_a hada_w2_b", "hada_t1 hada_t2"),
    kron("lokr_w1 lokr_w2"),
    kron("lokr_w1 lokr_w2_a lokr_w2_b", "lokr_t2"),
    kron("lokr_w1_a lokr_w1_b lokr_w2", "lokr_t1"),
    kron("lokr_w1_a lokr_w1_b lokr_w2_a lokr_w2_b", "lokr_t1 lokr_t2"),
    kind("IA3", scaling, "weight on_input"),
    kind("IA3", peft_scaling, "ia3_l"),
    kind("OFT", rotation, "oft_blocks", "rescale"),
    kind("GLoRA", generalised, "a1 a2 b1 b2", "bm"),
    kind("difference", difference, "diff"),
    kind("norm", norm, "w_norm"),
)


def change_of(tensors: Mapping[str, Tensor], alpha: float | None) -> tuple[str, Change | None, Collection[str]]:
    """Return the kind's name, the change that tensors by role make, and the roles that it leaves over.

    "lengths" are LyCORIS' for DoRA, whose shape says of what; "magnitude" is peft's, one for each output.
    alpha: what a low rank is scaled by, over the rank; None for the rank itself. Tensors that make nothing: None.
    """
    found = next((row for row in KINDS if row.needs <= tensors.keys()), None)
    if found is None:
        return "", None, tensors.keys()
    made, left = found.make(tensors, alpha), tensors.keys() - found.needs - found.may
    lengths = tensors["magnitude"].flatten() if "magnitude" in left else tensors.get("lengths")
    if lengths is None:
        return found.name, made, left
    return f"{found.name} with DoRA", Decomposed(made, lengths), left - {"lengths", "magnitude"}
