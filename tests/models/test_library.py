"""Which models there are, by name and by path."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from easel.core.errors import ModelError, ResourceError, UnknownName, Unrecognised
from easel.core.settings import read_settings
from easel.models.library import Library


def library(folder: Path) -> Library:
    return Library(read_settings(models=folder, precision="float32"))


def test_models_are_found_by_folder_name_and_by_path(tiny_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_folder, tmp_path / "sets" / "mine")
    models = library(tmp_path)
    assert models.find("sets/mine").path == tmp_path / "sets" / "mine"
    assert models.find(str(tiny_folder)).name == "tiny"
    usable, broken = models.identities()
    assert "sets/mine" in [identity.name for identity in usable]
    assert broken == []


def test_a_relative_path_is_a_path(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_folder.parent)
    assert library(tmp_path).find("./tiny").name == "tiny"
    monkeypatch.chdir(tiny_folder)
    assert library(tmp_path).find(".").name == "tiny"


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:-10], lambda b: b[:5], lambda b: b"", lambda b: b"\xff" * 99, lambda b: b[:9] + b"[]" + b[11:]],
)
def test_damaged_weights_are_told_before_they_are_loaded(
    tiny_folder: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    file = shutil.copytree(tiny_folder, tmp_path / "cut") / "vae" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(damage(file.read_bytes()))
    usable, broken = library(tmp_path).identities()
    assert "cut" not in [identity.name for identity in usable]
    assert str(file) in str(broken[0])


def test_unknown_names_offer_the_nearest(tiny_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_folder, tmp_path / "dreamshaper")
    with pytest.raises(UnknownName, match="nearest 'dreamshaper'"):
        library(tmp_path).find("dreamshapr")


def test_broken_folders_are_listed_with_their_reason(tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "broken")
    (folder / "unet" / "config.json").unlink()
    _, broken = library(tmp_path).identities()
    assert [type(error) for error in broken] == [type(error) for error in broken if isinstance(error, ModelError)]
    assert "config.json" in str(broken[0])


def test_a_path_that_is_no_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unrecognised, match=r"model_index\.json"):
        library(tmp_path).find(str(tmp_path))


def test_a_model_is_loaded_once(tiny_folder: Path) -> None:
    models = library(tiny_folder.parent)
    assert models.load("tiny") is models.load(str(tiny_folder))


def test_an_absent_device_is_refused(tiny_folder: Path) -> None:
    import torch

    device = "mps" if torch.cuda.is_available() else "cuda"
    models = Library(read_settings(models=tiny_folder.parent, device=device))
    with pytest.raises(ResourceError, match="easel doctor"):
        models.load("tiny")


def test_listing_needs_no_torch() -> None:
    program = (
        "import sys; from easel.core.settings import read_settings; from easel.models.library import Library;"
        "Library(read_settings()).identities(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_embeddings_are_known_by_name(tmp_path: Path) -> None:
    (tmp_path / "embeddings" / "more").mkdir(parents=True)
    for name in ("EasyNegative.safetensors", "more/hands.PT", "notes.txt"):
        (tmp_path / "embeddings" / name).touch()
    assert Library(read_settings(models=tmp_path)).embeddings() == ("EasyNegative", "hands")
    assert Library(read_settings(models=tmp_path / "none")).embeddings() == ()
