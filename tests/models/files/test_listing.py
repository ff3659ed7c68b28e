"""Headers of safetensors files: what they say is checked against the file before a tensor is touched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from easel.core.errors import Incomplete
from easel.models.files.listing import LONGEST_HEADER, Stored, read_listing


def write(file: Path, header: Any, data: bytes = bytes(16), length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    file.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return file


def tensor(begin: int, end: int, *shape: Any, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def test_what_is_there_is_listed(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    save_file({"b": torch.zeros(2, 3).half(), "a": torch.zeros(())}, file, {"who": "me"})
    found = read_listing(file)
    assert {name: (one.dtype, one.shape, one.size) for name, one in found.tensors.items()} == {
        "a": ("F32", (), 4),
        "b": ("F16", (2, 3), 12),
    }
    assert found.metadata == {"who": "me"}
    assert sorted(one.offset + one.size for one in found.tensors.values())[-1] == file.stat().st_size
    assert isinstance(found.tensors["a"], Stored)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"a": tensor(0, 8, 2), "b": tensor(4, 16, 3)}, "'b' overlaps another tensor"),
        ({"a": tensor(0, 4, 1), "b": tensor(8, 16, 2)}, "'b' leaves a gap"),
        ({"a": tensor(0, 8, 2)}, "bytes, its header speaks of"),
        ({"a": tensor(0, 32, 8)}, "bytes, its header speaks of"),
        ({"a": tensor(0, 16, 5)}, "'a' needs 20 bytes and has 16"),
        ({"a": tensor(0, 16, 2**62, 2**62)}, "'a' needs"),
        ({"a": tensor(0, 16, -4)}, "no natural number"),
        ({"a": tensor(0, 16, 4.0)}, "no natural number"),
        ({"a": tensor(0, 16, True)}, "no natural number"),
        ({"a": tensor(0, 16, 4, dtype="Q4")}, "'a' has the number format 'Q4'"),
        ({"a": tensor(0, 16, 4, dtype=["F32"])}, "truncated or damaged"),  # type: ignore[arg-type]
        ({"a": {"dtype": "F32"}}, "truncated or damaged"),
        ({"a": 1}, "truncated or damaged"),
        ({"__metadata__": 1, "a": tensor(0, 16, 4)}, "truncated or damaged"),
        ([], "truncated or damaged"),
        (b'{"a": 1, "a": 2}', "'a' stands there twice"),
        (b"[" * 200_000, "truncated or damaged"),
        (b"\xff", "truncated or damaged"),
    ],
)
def test_lies_are_named(tmp_path: Path, header: Any, words: str) -> None:
    file = write(tmp_path / "lie.safetensors", header)
    with pytest.raises(Incomplete, match=words) as caught:
        read_listing(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("length", [2**63, LONGEST_HEADER + 1, 100, 0])
def test_the_length_of_a_header_is_bounded(tmp_path: Path, length: int) -> None:
    with pytest.raises(Incomplete, match="truncated or damaged"):
        read_listing(write(tmp_path / "long.safetensors", {"a": tensor(0, 16, 4)}, length=length))
