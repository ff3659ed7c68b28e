"""Low-bit files through the tables of names: fused and swapped rows stay packed, and come to the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from easel.models.files.packed import Packed
from easel.models.files.weights import read_tensors
from easel.models.layouts.identify import identify
from easel.models.layouts.pieces import plain, taken_apart
from easel.models.layouts.single import contents_of
from easel.models.layouts.sources import source_of
from tests.layouts import flux, sd3
from tests.ldm import filled, write_ldm
from tests.lowbit import gguf_codes, nf4, scaled_float8, write_gguf

SIZES = {"flux": flux.flux_shapes(flux.SMALL_DEV), "sd3": sd3.sd3_shapes(sd3.SMALL_MEDIUM_35)}


def is_packed(name: str, value: Tensor) -> bool:
    """Return whether low-bit files pack a tensor: the weights of layers, but for those at the ends."""
    return value.ndim == 2 and name.endswith(".weight")


def in_float8(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    found = {name: value for name, value in tensors.items() if not is_packed(name, value)}
    for name, value in tensors.items():
        if is_packed(name, value):
            found |= scaled_float8(name.removesuffix(".weight"), value)
    return found


def in_nf4(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, value in tensors.items():
        found |= nf4(name, value) if is_packed(name, value) else {name: value}
    return found


def write(tmp_path: Path, kind: str, family: str, tensors: dict[str, Tensor]) -> Path:
    if kind == "Q8_0":
        gguf: dict[str, Any] = {name: (value.numpy(), None) for name, value in tensors.items()}
        for name in [name for name, value in tensors.items() if is_packed(name, value)]:
            gguf[name] = (gguf_codes(kind, len(tensors[name]), tensors[name].shape[1], tensors[name]), kind)
        return write_gguf(tmp_path / "model.gguf", gguf, architecture=family)
    return write_ldm(tmp_path / "model.safetensors", {"fp8": in_float8, "nf4": in_nf4}[kind](tensors))


@pytest.mark.parametrize("family", SIZES)
@pytest.mark.parametrize("kind", ["fp8", "nf4", "Q8_0"])
def test_rows_are_taken_apart_in_few_bits(tmp_path: Path, kind: str, family: str) -> None:
    """What the tables do to packed weights is what they do to the same weights in full."""
    file = write(tmp_path, kind, family, filled(SIZES[family]))
    identity = identify(file)
    assert (identity.family, identity.kind) == (family, "denoiser")
    assert "not known" not in dict(identity.unused)
    taken = contents_of(file).part("transformer")
    full = {name: plain(value) for name, value in read_tensors((file,)).items()}
    wanted = {n: piece for key, place in taken.places.items() for n, piece in taken_apart(place, full[key])}
    ours = source_of(identity).tensors("transformer")
    assert ours.keys() == wanted.keys()
    for name, value in wanted.items():
        assert tuple(ours[name].shape) == tuple(value.shape), name
        torch.testing.assert_close(plain(ours[name]).float(), value.float(), rtol=0, atol=0)
    if kind != "nf4":  # whose blocks may reach over the ends of rows
        assert isinstance(ours["transformer_blocks.0.attn.to_k.weight"], Packed)
        assert isinstance(ours["norm_out.linear.weight"], Packed)
