"""`easel models identify`, `hash` and `info`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch

from tests.cli.conftest import Easel
from tests.ldm import SMALL_1, random_tensors, write_ldm


@pytest.fixture
def file(home: Path) -> Path:
    """A small checkpoint in the models folder, in half precision."""
    tensors = {key: value.half() for key, value in random_tensors(SMALL_1).items() if "position_ids" not in key}
    return write_ldm(home / "models" / "small.safetensors", tensors)


def test_identify_tells_on_one_screen(easel: Easel, file: Path) -> None:
    shown = easel("models", "identify", str(file))
    assert shown.code == 0
    assert [" ".join(line.split()) for line in shown.lines if "Size" not in line and "Easel" not in line] == [
        f"Path {file}",
        "Family Stable Diffusion 1.x",
        "Layout single file",
        "Predicts epsilon (usual for 1.x)",
        "Numbers float16",
        "Unused 3 tensors: noise schedule",
    ]
    facts = json.loads(easel("models", "identify", str(file), "--json").out)
    assert (facts["variant"], facts["missing"], facts["unused"]) == ("1.x", [], {"noise schedule": 3})


def test_identify_tells_what_it_can_of_a_stranger(easel: Easel, home: Path, file: Path) -> None:
    stranger = write_ldm(home / "x.safetensors", {"some.weights": torch.zeros(1)})
    shown = easel("models", "identify", str(stranger), str(file), "none.ckpt")
    assert shown.code == 1
    assert "Error" in shown.out and "some.weights" in shown.out and "Family" in shown.out
    assert shown.err == "error: FILE is 'none.ckpt', allowed is a file or folder that exists.\n"
    cut = home / "cut.ckpt"
    cut.write_bytes(b"PK\x03\x04")
    assert "truncated or damaged" in easel("models", "identify", str(cut)).out


def test_hash_is_that_of_the_bytes(easel: Easel, file: Path) -> None:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    facts = json.loads(easel("models", "hash", str(file), "--json").out)
    assert (facts["sha256"], facts["short"], facts["autov2"]) == (digest, digest[:10], digest[:10].upper())
    assert digest in easel("models", "hash", str(file)).out
    assert easel("models", "hash", "none").code == 2


def test_info_goes_by_name(easel: Easel, file: Path) -> None:
    shown = easel("models", "info", "small")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:10]
    assert shown.code == 0 and digest in shown.out and "small" in shown.lines[0]
    unknown = easel("models", "info", "smal")
    assert unknown.code == 2 and "nearest 'small'" in unknown.err


def test_list_shows_single_files(easel: Easel, file: Path) -> None:
    shown = easel("models", "list")
    assert any(line.startswith("small") and "sd 1.x" in line for line in shown.lines)
