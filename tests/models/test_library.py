"""Which models there are, by name and by path."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from easel.core.errors import BadValue, ModelError, UnknownName, Unrecognised
from easel.core.settings import read_settings
from easel.models.library import Library
from tests.ldm import SMALL_1, random_tensors, write_ldm


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


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small single file."""
    return write_ldm(tmp_path_factory.mktemp("single") / "small.safetensors", random_tensors(SMALL_1))


def link(file: Path, *places: Path) -> None:
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(file)


def test_single_files_are_found_and_loaded(checkpoint: Path, tmp_path: Path) -> None:
    link(checkpoint, tmp_path / "anime" / "v1.5-pruned.safetensors", tmp_path / "Lora" / "no.safetensors")
    link(checkpoint, tmp_path / "anime" / "v1.5-pruned.vae.safetensors", tmp_path / ".cache" / "no.safetensors")
    models = library(tmp_path)
    assert set(models.places()) - {"starter"} == {"anime/v1.5-pruned"}
    for name in ("anime/v1.5-pruned", "anime/v1.5-pruned.safetensors", "v1.5-pruned", "V1.5-PRUNED.safetensors"):
        assert models.find(name).name == "anime/v1.5-pruned"
    assert models.find(str(checkpoint)).name == "small"
    usable, broken = models.identities()
    assert ("anime/v1.5-pruned", "sd 1.x") in [(identity.name, identity.kind) for identity in usable]
    assert broken == []


def test_two_of_one_name_are_told_apart(checkpoint: Path, tmp_path: Path) -> None:
    link(
        checkpoint, tmp_path / "a" / "one.safetensors", tmp_path / "b" / "one.safetensors", tmp_path / "b" / "one.ckpt"
    )
    models = library(tmp_path)
    assert set(models.places()) - {"starter"} == {"a/one", "b/one", "b/one.ckpt"}
    assert models.where("b/one.ckpt")[0].suffix == ".ckpt"
    assert models.where("b/one.safetensors")[0] == tmp_path / "b" / "one.safetensors"
    with pytest.raises(BadValue, match="there are a/one, b/one"):
        models.where("one")


@pytest.mark.parametrize(
    ("below", "named"),
    [
        ("models/Stable-diffusion", "webui"),
        ("Stable-diffusion", "webui/models"),
        ("models/checkpoints", "ComfyUI"),
        ("sd-1/main", "invokeai/models"),
        ("anything", "folder"),
    ],
)
def test_folders_of_other_programs(checkpoint: Path, tmp_path: Path, below: str, named: str) -> None:
    root = tmp_path / named
    link(checkpoint, root / below / "sub" / "x.safetensors", root / "models" / "Lora" / "no.safetensors")
    models = Library(read_settings(models=tmp_path / "mine", model_folders=(root,)))
    name = "anything/sub/x" if below == "anything" else "sub/x"
    assert set(models.places()) - {"starter"} == {name}
    assert models.where("x")[0] == root / below / "sub" / "x.safetensors"


def test_one_name_in_two_folders(checkpoint: Path, tmp_path: Path) -> None:
    folders = tuple(tmp_path / name for name in ("mine", "theirs", "others"))
    link(checkpoint, *(folder / "x.safetensors" for folder in folders))
    models = Library(read_settings(models=folders[0], model_folders=folders[1:]))
    found = {name: path.parent.name for name, path in models.places().items() if name != "starter"}
    assert found == {"x": "mine", "x.safetensors": "theirs", "others/x.safetensors": "others"}


def test_links_in_a_circle_end(checkpoint: Path, tmp_path: Path) -> None:
    link(checkpoint, tmp_path / "a" / "x.safetensors")
    link(tmp_path, tmp_path / "a" / "round")
    assert set(library(tmp_path).places()) - {"starter"} == {"a/x"}


def test_files_without_all_parts_are_listed_with_what_they_lack(tmp_path: Path) -> None:
    tensors = random_tensors(SMALL_1)
    write_ldm(tmp_path / "bare.safetensors", {key: one for key, one in tensors.items() if key.startswith("model.")})
    write_ldm(tmp_path / "lora.safetensors", {"lora_unet_x.alpha": tensors["betas"]})
    usable, broken = library(tmp_path).identities()
    assert [identity.name for identity in usable if identity.name != "starter"] == []
    assert "bare.safetensors: has no autoencoder (VAE), no text encoder" in str(broken[0])
    assert "lora.safetensors: this is a LoRA" in str(broken[1])


def test_model_folders_in_the_environment_stand_as_in_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASEL_MODEL_FOLDERS", os.pathsep.join(("/a b", "/c")))
    assert read_settings().model_folders == (Path("/a b"), Path("/c"))
