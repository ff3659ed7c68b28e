"""Embeddings in all the files that people have them in; each is written here as its program would."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save_file
from torch import Tensor

from easel.adapters.embedding import read_embedding
from easel.core.errors import Mismatch, Unrecognised

VECTORS = torch.arange(2 * 32, dtype=torch.float32).reshape(2, 32) / 64


def a1111(vectors: Tensor = VECTORS) -> dict[str, Any]:
    """What A1111 writes with torch.save."""
    named = {"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}}
    return {**named, "name": "ink", "step": 9, "sd_checkpoint": None, "sd_checkpoint_name": None}


def in_text(file: Path) -> None:
    listed = {**a1111(), "string_to_param": {"*": {"TORCHTENSOR": VECTORS.tolist()}}}
    info = PngInfo()
    info.add_text("sd-ti-embedding", base64.b64encode(json.dumps(listed).encode()).decode())
    Image.new("RGB", (64, 64), "white").save(file, pnginfo=info)


def in_pixels(file: Path, format: str = "PNG") -> None:
    """As A1111 lays it: nibbles of deflated JSON in columns of the picture's height, low ones left, high ones right."""
    listed = {**a1111(), "string_to_param": {"*": {"TORCHTENSOR": VECTORS.tolist()}}}
    packed = numpy.frombuffer(zlib.compress(json.dumps(listed).encode(), 9), numpy.uint8)
    height, columns = 64, -(-len(packed) // (64 * 3))
    padded = numpy.zeros(height * columns * 3, numpy.uint8)
    padded[: len(packed)] = packed
    number, sequence = 0, []
    for _ in range(padded.size):
        number = (1664525 * number + 1013904223) % 2**32
        sequence.append(number % 255)
    masks = numpy.array(sequence, numpy.uint8) & 15
    low, high = (((part ^ masks) | 0x50).reshape(height, columns, 3) for part in (padded & 15, padded >> 4))
    gap = numpy.zeros((height, 1, 3), numpy.uint8)
    picture = numpy.full((height, 64, 3), 200, numpy.uint8)
    Image.fromarray(numpy.concatenate([low, gap, picture, gap, high], 1)).save(file, format, lossless=True)


WRITERS: dict[str, Any] = {
    "a1111.pt": lambda file: torch.save(a1111(), file),
    "old.pt": lambda file: torch.save(a1111(), file, _use_new_zipfile_serialization=False),
    "diffusers.bin": lambda file: torch.save({"<ink>": VECTORS}, file),
    "file.safetensors": lambda file: save_file({"emb_params": VECTORS}, file),
    "text.png": in_text,
    "pixels.png": in_pixels,
    "pixels.webp": lambda file: in_pixels(file, "WEBP"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_holds_the_same(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name)
    found = read_embedding(tmp_path / name)
    assert (found.name, found.count, list(found.vectors)) == (Path(name).stem, 2, [32])
    torch.testing.assert_close(found.vectors[32], VECTORS)
    assert len(found.hash) == 12


def test_one_vector_may_go_without_its_axis(tmp_path: Path) -> None:
    torch.save({"<ink>": VECTORS[0]}, tmp_path / "ink.bin")
    assert read_embedding(tmp_path / "ink.bin").count == 1


def test_several_text_encoders_have_their_own(tmp_path: Path) -> None:
    save_file({"clip_l": torch.ones(3, 32), "clip_g": torch.zeros(3, 48)}, tmp_path / "xl.safetensors")
    found = read_embedding(tmp_path / "xl.safetensors")
    assert {width: tuple(vectors.shape) for width, vectors in found.vectors.items()} == {32: (3, 32), 48: (3, 48)}


@pytest.mark.parametrize(
    ("tensors", "error", "words"),
    [
        ({"a": torch.ones(2, 3, 4)}, Unrecognised, "no embedding"),
        ({"a": torch.ones(2, 4), "b": torch.ones(2, 4)}, Unrecognised, "no embedding"),
        ({"a": torch.ones(2, 4), "b": torch.ones(3, 5)}, Mismatch, "holds 2 and 3 vectors"),
        ({"a": torch.ones(76, 4)}, Mismatch, "holds 76 vectors, allowed are 1 to 75"),
    ],
)
def test_what_is_no_embedding_is_refused(
    tmp_path: Path, tensors: dict[str, Tensor], error: type[Exception], words: str
) -> None:
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(error, match=words):
        read_embedding(tmp_path / "x.safetensors")


@pytest.mark.parametrize("colour", ["black", "white", "red"])
def test_a_picture_without_one_is_refused(tmp_path: Path, colour: str) -> None:
    Image.new("RGB", (32, 32), colour).save(tmp_path / "x.png")
    with pytest.raises(Unrecognised, match="no embedding is hidden"):
        read_embedding(tmp_path / "x.png")
