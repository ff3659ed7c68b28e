"""GGUF: the header checked against the file, and every kind of block as the gguf package writes and reads it."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Kind
from hypothesis import given
from hypothesis import strategies as st

from easel.core.errors import Incomplete, ModelError
from easel.models.files.blocks import BLOCKS, NUMBERED
from easel.models.files.opening import listing_of
from easel.models.files.packed import Packed
from easel.models.files.weights import read_tensors
from tests.lowbit import GgufTensor, gguf_codes, write_gguf


def test_the_table_of_kinds_is_ggmls() -> None:
    assert {kind: gguf.GGML_QUANT_SIZES[Kind[kind]] for kind in BLOCKS} == BLOCKS
    assert {number: Kind(number).name for number in NUMBERED} == NUMBERED


def test_shapes_and_formats_are_told_as_torch_has_them(tmp_path: Path) -> None:
    numbers = np.arange(6, dtype=np.float32).reshape(2, 3)
    tensors: dict[str, GgufTensor] = {
        "a": (numbers, None),
        "h": (numbers.astype(np.float16), None),
        "q": (gguf_codes("Q4_0", 6, 64), "Q4_0"),
        "k": (gguf_codes("Q6_K", 3, 512), "Q6_K"),
    }
    file = write_gguf(tmp_path / "a.gguf", tensors, {"general.name": "a fox"}, architecture="flux")
    found = listing_of(file)
    assert {name: (one.dtype, one.shape) for name, one in found.tensors.items()} == {
        "a": ("F32", (2, 3)),
        "h": ("F16", (2, 3)),
        "q": ("Q4_0", (6, 64)),
        "k": ("Q6_K", (3, 512)),
    }
    assert found.metadata["general.architecture"] == "flux" and found.metadata["general.name"] == "a fox"
    read = read_tensors((file,), {"a", "q"})
    assert read.keys() == {"a", "q"} and isinstance(read["a"], torch.Tensor)
    assert torch.equal(read["a"], torch.from_numpy(numbers))


@pytest.mark.parametrize("kind", BLOCKS)
def test_numbers_are_those_of_the_gguf_package(tmp_path: Path, kind: str) -> None:
    codes = gguf_codes(kind, 8, 512)
    file = write_gguf(tmp_path / "a.gguf", {"w": (codes, kind)})
    weight = read_tensors((file,))["w"]
    assert isinstance(weight, Packed) and weight.kind == kind and weight.nbytes == codes.nbytes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # random codes hold numbers that are none
        expected = torch.from_numpy(gguf.quants.dequantize(codes, Kind[kind]))
    torch.testing.assert_close(weight.unpacked(torch.float32), expected, rtol=0, atol=0, equal_nan=True)
    halves = [weight.rows(0, 3), weight.rows(3, 8)]
    assert all(isinstance(half, Packed) for half in halves)
    cut = torch.cat([half.unpacked(torch.float32) for half in halves if isinstance(half, Packed)])
    torch.testing.assert_close(cut, expected, rtol=0, atol=0, equal_nan=True)


def test_a_weight_laid_out_anew_has_its_own_shape(tmp_path: Path) -> None:
    """Convolutions whose rows are not whole blocks, as converters for U-Nets write them."""
    codes = gguf_codes("Q8_0", 9, 256)
    shape = gguf.quants.dequantize(codes, Kind.Q8_0).reshape(32, 8, 3, 3)
    file = write_gguf(tmp_path / "a.gguf", {"w": (codes, "Q8_0")}, {"comfy.gguf.orig_shape.w": [32, 8, 3, 3]})
    weight = read_tensors((file,))["w"]
    assert isinstance(weight, Packed) and weight.shape == (32, 8, 3, 3) and not weight.by_rows
    assert torch.equal(weight.unpacked(torch.float32), torch.from_numpy(shape))
    assert torch.equal(weight.rows(5, 9), torch.from_numpy(shape[5:9]))  # pyright: ignore[reportArgumentType]


def test_names_of_t5_are_the_published_ones(tmp_path: Path) -> None:
    table = gguf.get_tensor_name_map(gguf.MODEL_ARCH.T5ENCODER, 3)
    published = ["shared.weight", "encoder.final_layer_norm.weight"]
    parts = [*(f"layer.0.SelfAttention.{part}" for part in ("q", "k", "v", "o", "relative_attention_bias"))]
    parts += ["layer.0.layer_norm", "layer.1.layer_norm"]
    parts += [f"layer.1.DenseReluDense.{part}" for part in ("wi_0", "wi_1", "wo")]
    published += [f"encoder.block.{layer}.{part}.weight" for layer in range(3) for part in parts]
    names = {table.get_name(name, (".weight",)): name for name in published}
    assert None not in names and len(names) == len(published)
    tensors: dict[str, GgufTensor] = {f"{name}": (np.ones(4, np.float32), None) for name in names if name}
    file = write_gguf(tmp_path / "t5.gguf", tensors, architecture="t5encoder")
    assert set(listing_of(file).tensors) == set(published)
    assert set(read_tensors((file,))) == set(published)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of two tensors, mostly structure."""
    tensors: dict[str, GgufTensor] = {"first": (np.ones(8, np.float32), None), "q": (gguf_codes("Q4_0", 2, 32), "Q4_0")}
    return write_gguf(tmp_path_factory.mktemp("whole") / "whole.gguf", tensors, {"some.words": "words"})


def changed(file: Path, to: Path, place: int, letters: str, value: Any) -> Path:
    data = bytearray(file.read_bytes())
    struct.pack_into(letters, data, place, value)
    to.write_bytes(data)
    return to


@pytest.mark.parametrize(
    ("after", "skip", "letters", "value", "words"),
    [
        (b"GGUF", 0, "<I", 1, "GGUF of version 1"),
        (b"GGUF", 0, ">I", 3, "GGUF of version 50331648"),
        (b"GGUF", 4, "<Q", 2**40, "a header of 1099511627776 tensors"),
        (b"GGUF", 12, "<Q", 2**40, "1099511627776 values"),
        (b"some.words", 0, "<I", 77, "'some.words': a value of the kind 77"),
        (b"some.words", 4, "<Q", 2**60, "'some.words': a text of 1152921504606846976 bytes"),
        (b"first", 0, "<I", 9, "'first': a tensor of 9 axes"),
        (b"first", 4, "<Q", 2**62, "'q' leaves a gap|'first' ends at|'q' overlaps"),
        (b"first", 12, "<I", 4, "'first': its number format 4 is not known"),
        (b"first", 12, "<I", 8, "'first': is \\(8,\\), Q8_0 keeps 32 numbers in a block"),
        (b"first", 16, "<Q", 32, "overlaps another tensor|leaves a gap"),
        (b"first", 16, "<Q", 2**63, "'first'|'q' leaves a gap"),
    ],
)
def test_lies_are_named(
    tmp_path: Path, whole: Path, after: bytes, skip: int, letters: str, value: int, words: str
) -> None:
    place = whole.read_bytes().index(after) + len(after) + skip
    file = changed(whole, tmp_path / "lie.gguf", place, letters, value)
    with pytest.raises(Incomplete, match=words) as caught:
        listing_of(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_cut_files_are_told(tmp_path: Path, whole: Path, share: float) -> None:
    data = whole.read_bytes()
    file = tmp_path / "cut.gguf"
    file.write_bytes(data[: int((len(data) - 28) * share)])  # what aligns its end is no loss
    with pytest.raises(Incomplete, match="truncated or damaged"):
        listing_of(file)


@given(places=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4))
def test_damage_is_always_told(whole: Path, places: list[tuple[float, int]]) -> None:
    """Any bytes changed leave a file that reads, or one line that names it."""
    data = bytearray(whole.read_bytes())
    for share, byte in places:
        data[int(share * len(data))] = byte
    file = whole.with_name("damaged.gguf")
    file.write_bytes(data)
    try:
        for weight in read_tensors((file,)).values():
            if isinstance(weight, Packed):
                weight.unpacked(torch.float32)
    except ModelError as error:
        assert str(file) in str(error) and "\n" not in str(error)
