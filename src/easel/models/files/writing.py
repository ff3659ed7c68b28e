"""Writes safetensors files a tensor at a time, and puts files and folders in their place only when they are whole.

The library writes a file from tensors that are all in memory; those of a merge of large models are not. The format is
the published one: eight bytes that count the header, the header in JSON, the numbers end to end. Knows no models.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from easel.core.errors import BadValue, Mismatch, StorageError
from easel.models.files.listing import BYTES

WORDS = {  # safetensors' words for number formats
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
FORMATS = {word: dtype for dtype, word in WORDS.items()}
ALIGNED = 8  # bytes; the numbers begin at a multiple
SPARE = 2**20  # bytes of a disk that are left free


@dataclass(frozen=True, slots=True)
class Planned:
    """A tensor that a file will hold: its number format in safetensors' words, and its shape."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return prod(self.shape) * BYTES[self.dtype]


def ordered(planned: Mapping[str, Planned]) -> list[str]:
    """Return the names in the order in which a file holds them: wide number formats first, so that all are aligned."""
    return sorted(planned, key=lambda name: -BYTES[planned[name].dtype])


def total_size(planned: Mapping[str, Planned]) -> int:
    """Return the bytes of all tensors together."""
    return sum(tensor.size for tensor in planned.values())


def write_safetensors(
    file: Path, planned: Mapping[str, Planned], tensors: Iterable[tuple[str, Tensor]], metadata: Mapping[str, str]
) -> Generator[int, None, None]:
    """Write `tensors`, which come in the order of ordered(planned), and yield the bytes of each when it is written.

    Raises StorageError where the disk does not take it, Mismatch for a tensor that is not what was planned.
    """
    with written(file):
        check_room(file.parent, total_size(planned))
        with file.open("wb") as opened:
            opened.write(header_of(planned, metadata))
            names = iter(ordered(planned))
            for name, tensor in tensors:
                wanted = planned.get(name)
                if name != next(names, None) or wanted is None or wanted != Planned(word_of(tensor), (*tensor.shape,)):
                    raise Mismatch(f"{file}: {name!r} is not what was planned ({wanted}).")
                opened.write(bytes_of(tensor))
                yield wanted.size
            if (missing := next(names, None)) is not None:
                raise Mismatch(f"{file}: {missing!r} was planned and did not come.")
            opened.flush()
            os.fsync(opened.fileno())


def header_of(planned: Mapping[str, Planned], metadata: Mapping[str, str]) -> bytes:
    """Return a file's beginning: the header's length and the header, filled up with spaces."""
    entries: dict[str, object] = {"__metadata__": {"format": "pt", **metadata}}
    end = 0
    for name in ordered(planned):
        begin, end = end, end + planned[name].size
        entries[name] = {"dtype": planned[name].dtype, "shape": planned[name].shape, "data_offsets": (begin, end)}
    header = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    header += b" " * (-len(header) % ALIGNED)
    return len(header).to_bytes(8, "little") + header


def word_of(tensor: Tensor) -> str:
    """Return safetensors' word for a tensor's number format; "" where it has none."""
    return WORDS.get(tensor.dtype, "")


def bytes_of(tensor: Tensor) -> memoryview:
    """Return a tensor's numbers as they stand in a file, not copied where they lie in one piece."""
    numbers: Any = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return memoryview(numbers)


def check_room(folder: Path, needed: int) -> None:
    """Raise StorageError unless the disk of `folder` has `needed` bytes and a little more."""
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE:
        raise StorageError(
            f"{folder}: {needed / 1e6:.0f} MB are needed and {free / 1e6:.0f} MB are free; make room or name another "
            "disk."
        )


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Turn what the operating system says against writing `path` into StorageError."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror or error}).") from None


def check_free(path: Path, *, force: bool) -> None:
    """Raise BadValue where something stands at `path` that is not to be replaced.

    force: a file may be replaced, and a folder that is empty or a diffusers folder, but no other.
    """
    if not path.exists() and not path.is_symlink():
        return
    if not force:
        raise BadValue("OUT", str(path), "a place where nothing stands yet", remedy="--force replaces what is there")
    if path.is_dir() and not (path / "model_index.json").is_file() and any(path.iterdir()):
        raise BadValue("OUT", str(path), "a file or a diffusers folder, also with --force; this is another folder")


@contextmanager
def passing(path: Path, *, force: bool = False) -> Iterator[Path]:
    """Yield where to write a file or folder that comes to `path` in one move, if nothing goes wrong before.

    Whatever ends the work early, nothing half-written stays and what stood at `path` is as it was. Raises BadValue for
    a place that is taken, StorageError.
    """
    check_free(path, force=force)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    with written(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        take_away(beside)
    try:
        with named(beside, path):
            yield beside
        with written(path):
            check_free(path, force=force)
            if path.is_dir() or (beside.is_dir() and path.exists()):
                replace_slowly(beside, path)
            else:
                os.replace(beside, path)
    finally:
        take_away(beside)


@contextmanager
def named(beside: Path, path: Path) -> Iterator[None]:
    """Speak of `path` where an error speaks of what is written in its stead."""
    try:
        yield
    except StorageError as error:
        raise StorageError(str(error).replace(str(beside), str(path))) from None


def replace_slowly(new: Path, path: Path) -> None:
    """Put `new` in the place of a folder, which no operating system does in one move; the old one goes last."""
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    os.replace(path, old)
    try:
        os.replace(new, path)
    except OSError:
        os.replace(old, path)
        raise
    take_away(old)


def take_away(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
