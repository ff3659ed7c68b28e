"""The hash of weights: A1111's for one file, kept in the index, which may be lost at any time."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from easel.models.family import Model
from easel.models.library import index
from easel.models.library.hashing import WeightsHash, hash_of, sha256_of


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The index's file, in a folder that is not there yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return index.index_file()


def weights(path: Path, content: bytes = b"weights") -> Path:
    path.write_bytes(content)
    return path


def test_one_file_has_a1111_s_hash(tmp_path: Path) -> None:
    file = weights(tmp_path / "a.safetensors")
    assert hash_of([file]) == sha256_of(file) == hashlib.sha256(b"weights").hexdigest()
    assert WeightsHash([file]).short == hashlib.sha256(b"weights").hexdigest()[:10]


def test_several_files_have_one_hash_that_heeds_order_and_content(tmp_path: Path) -> None:
    one, two = weights(tmp_path / "a", b"a"), weights(tmp_path / "b", b"b")
    digests = hashlib.sha256(b"a").hexdigest() + hashlib.sha256(b"b").hexdigest()
    assert hash_of([one, two]) == hashlib.sha256(digests.encode()).hexdigest() != hash_of([two, one])


def test_a_file_is_read_once_until_it_changes(tmp_path: Path) -> None:
    file = weights(tmp_path / "a")
    first = hash_of([file])
    kept = index.hashes_of([str(file)])[str(file)]
    index.keep_hashes([kept._replace(sha256="f" * 64)])
    assert hash_of([file]) == "f" * 64
    os.utime(file, ns=(1, 1))
    assert hash_of([file]) == first
    weights(file, b"other weights")
    assert hash_of([file]) == hashlib.sha256(b"other weights").hexdigest()


def test_a_link_has_the_hash_of_its_file(tmp_path: Path) -> None:
    file = weights(tmp_path / "a")
    (tmp_path / "b").symlink_to(file)
    assert hash_of([tmp_path / "b"]) == hash_of([file])
    assert index.paths() == [str(file)]


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, cache: Path) -> None:
    cache.parent.parent.write_text("a file where the folder should be")
    file = weights(tmp_path / "a")
    assert hash_of([file]) == sha256_of(file)


def test_a_file_that_is_gone_has_no_hash(tmp_path: Path) -> None:
    assert WeightsHash([tmp_path / "none"]).short == ""


def test_a_model_tells_its_hash(tiny: Model, tiny_folder: Path) -> None:
    parts = ("text_encoder/model", "unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model")
    assert tiny.hash == hash_of([tiny_folder / f"{part}.safetensors" for part in parts])[:10]
    assert len(tiny.hash) == 10
    assert tiny.machine.words.startswith("cpu ") and " float32 torch " in tiny.machine.words
