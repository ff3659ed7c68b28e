"""Which models there are, by name and by path."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from easel.core.errors import BadValue, ModelError, UnknownName, Unrecognised
from easel.core.settings import read_settings
from easel.models.library.catalogue import Catalogue
from easel.models.library.hashing import hash_of
from easel.models.library.names import Library
from tests.ldm import SMALL_1, SMALL_2, random_tensors, write_ldm

BUNDLED = "starter-4steps"  # the LoRA that goes with the embedded model


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
        "import sys; from easel.core.settings import read_settings; from easel.models.library.names import Library;"
        "Library(read_settings()).identities(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_embeddings_are_known_by_name(tmp_path: Path) -> None:
    (tmp_path / "embeddings" / "more").mkdir(parents=True)
    for name in ("EasyNegative.safetensors", "more/hands.PT", "notes.txt"):
        (tmp_path / "embeddings" / name).touch()
    assert Library(read_settings(models=tmp_path)).embeddings() == ("EasyNegative", "hands")
    assert Library(read_settings(models=tmp_path / "none")).embeddings() == ()


def test_pictures_of_embeddings_are_none_themselves(tmp_path: Path) -> None:
    for name in ("a.pt", "a.png", "b.preview.png", "c.png"):
        (tmp_path / "embeddings").mkdir(exist_ok=True)
        (tmp_path / "embeddings" / name).touch()
    models = library(tmp_path)
    assert models.embeddings() == ("a", "c")
    entries = models.entries("embedding", within=None)
    words = {one.name: one.row.words for one in entries if one.row and not one.row.fault}
    assert words == {"c": "textual inversion"}


def test_new_and_lost_files_show_without_a_restart(tmp_path: Path) -> None:
    models = library(tmp_path / "later")
    assert models.embeddings() == ()
    folder = tmp_path / "later" / "embeddings"
    for name in ("one", "two"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.pt").touch()
        assert name in models.embeddings()
    (folder / "one.pt").unlink()
    assert models.embeddings() == ("two",)


def test_what_goes_with_the_embedded_model_is_known_by_name_and_a_file_of_ones_own_comes_first(
    tiny_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_folder, tmp_path / "package" / "model")
    for file in ("package/companions/loras/quick.safetensors", "package/companions/embeddings/soft.pt"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    settings = read_settings(models=tmp_path / "mine")
    bundled = Catalogue(settings, tmp_path / "package" / "model")
    assert set(bundled.named("lora")) == {"quick"} and set(bundled.named("embedding")) == {"soft"}
    assert set(bundled.named("checkpoint")) == {"starter"}
    (tmp_path / "mine" / "loras").mkdir(parents=True)
    (tmp_path / "mine" / "loras" / "quick.safetensors").touch()
    found = {name: Path(one.path).is_relative_to(tmp_path / "mine") for name, one in bundled.named("lora").items()}
    assert found == {"quick": True, "quick.safetensors": False}
    assert set(Catalogue(settings, None).named("lora")) == {"quick"}


def test_settled_folders_are_not_walked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "embeddings"
    folder.mkdir()
    (folder / "one.pt").touch()
    for place in (folder, tmp_path):
        os.utime(place, (1, 1))
    models = library(tmp_path)
    assert models.embeddings() == ("one",)
    monkeypatch.setattr(os, "scandir", None)
    assert models.embeddings() == ("one",)


def test_a_file_written_in_its_place_is_read_again(checkpoint: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(checkpoint, tmp_path / "x.safetensors"))
    models = library(tmp_path)
    assert models.find("x").family == "sd"
    file.write_bytes(b"no model")
    with pytest.raises(ModelError, match="truncated or damaged"):
        models.find("x")
    assert "x" not in [identity.name for identity in models.identities()[0]]


def test_what_stands_beside_a_file_counts_as_its_change(tmp_path: Path) -> None:
    write_ldm(tmp_path / "two.safetensors", random_tensors(SMALL_2))
    models = library(tmp_path)
    before = models.find("two").prediction
    other = "epsilon" if before == "v_prediction" else "v_prediction"
    beside = tmp_path / "two.easel.json"
    beside.write_text(f'{{"prediction": "{other}"}}', encoding="utf-8")
    assert models.find("two").prediction == other
    beside.unlink()
    assert {one.name: one.prediction for one in models.identities()[0]}["two"] == before


def test_a_hash_is_a_name(checkpoint: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(checkpoint, tmp_path / "renamed.safetensors"))
    models = library(tmp_path)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert models.by_hash(digest) is None  # nothing has computed it yet
    assert hash_of([file]) == digest
    for digits in (digest, digest[:10], digest[:12].upper()):
        assert models.by_hash(digits) == "renamed" == models.where(digits)[1] == models.find(digits).name
    assert models.by_hash(digest[:9]) is None and models.by_hash("no digits at all") is None
    file.write_bytes(file.read_bytes()[:-4] + b"1234")
    assert models.by_hash(digest) is None
    with pytest.raises(UnknownName):
        models.where(digest[:10])


@pytest.mark.parametrize(
    ("beside", "told"),
    [
        ("x.civitai.info", {"files": [{"name": "x.safetensors", "hashes": {"SHA256": "AB" * 32}}]}),
        ("x.civitai.info", {"files": [{"name": "other.safetensors", "hashes": {"AutoV2": "ABABABABAB"}}]}),
        ("x.json", {"sha256": "ab" * 32}),
        ("x.cm-info.json", {"Hashes": {"SHA256": "AB" * 32}}),
    ],
)
def test_what_other_programs_say_of_a_hash_finds_a_file(
    checkpoint: Path, tmp_path: Path, beside: str, told: object
) -> None:
    link(checkpoint, tmp_path / "x.safetensors")
    models = library(tmp_path)
    assert models.by_hash("ab" * 5) is None
    (tmp_path / beside).write_text(json.dumps(told), encoding="utf-8")
    assert models.by_hash("ab" * 5) == "x"
    assert models.by_hash("cd" * 5) is None
    (tmp_path / beside).write_text("[" * 100_000, encoding="utf-8")
    assert models.by_hash("ab" * 5) is None


def test_a1111_s_cache_of_hashes_finds_a_file_that_has_not_changed(checkpoint: Path, tmp_path: Path) -> None:
    file = tmp_path / "webui" / "models" / "Stable-diffusion" / "sub" / "x.safetensors"
    link(checkpoint, file)
    told = {"mtime": os.path.getmtime(file), "sha256": "ab" * 32}
    cache = tmp_path / "webui" / "cache.json"
    cache.write_text(json.dumps({"hashes": {"checkpoint/sub/x.safetensors": told}}), encoding="utf-8")
    models = Library(read_settings(models=tmp_path / "mine", model_folders=(tmp_path / "webui",)))
    assert models.by_hash("ab" * 5) == "sub/x"
    cache.write_text(json.dumps({"hashes": {"checkpoint/sub/x.safetensors": {**told, "mtime": 1.0}}}), encoding="utf-8")
    assert models.by_hash("ab" * 5) is None


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
    assert ("anime/v1.5-pruned", "sd 1.x") in [(identity.name, identity.words) for identity in usable]
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
    blind = {key: one for key, one in tensors.items() if not key.startswith("first_stage_model.")}
    write_ldm(tmp_path / "blind.safetensors", blind)
    usable, broken = library(tmp_path).identities()
    assert [identity.name for identity in usable if identity.name != "starter"] == []
    assert "blind.safetensors: has no autoencoder (VAE); needed is a whole checkpoint" in str(broken[0])


def test_what_a_header_says_outweighs_the_folder(tmp_path: Path) -> None:
    tensors = random_tensors(SMALL_1)
    write_ldm(tmp_path / "bare.safetensors", {key: one for key, one in tensors.items() if key.startswith("model.")})
    write_ldm(tmp_path / "lora.safetensors", {"lora_unet_x.alpha": tensors["betas"]})
    models = library(tmp_path)
    usable, broken = models.identities()
    assert [identity.name for identity in usable if identity.name != "starter"] == [] == broken
    assert list(models.places("denoiser")) == ["bare"]
    assert set(models.places("lora")) - {BUNDLED} == {"lora"}
    assert "autoencoder (VAE)" in models.find("bare").missing  # a model whose other parts stand elsewhere
    assert models.find("lora").kind == "lora"  # who loads it says that it is no model


def test_a_file_is_read_for_its_name_where_its_folder_says_nothing(tmp_path: Path) -> None:
    write_ldm(tmp_path / "deep" / "ink.safetensors", {"lora_unet_x.alpha": random_tensors(SMALL_1)["betas"]})
    models = library(tmp_path)
    assert "ink" not in models.places("lora")
    assert models.find_file("lora", "ink") == tmp_path / "deep" / "ink.safetensors"
    with pytest.raises(UnknownName, match=r"LoRA 'inc' is not known; nearest 'ink'.*list --kind lora"):
        models.find_file("lora", "inc")
    with pytest.raises(UnknownName, match="kind of file 'loar' is not known; nearest 'lora'"):
        models.find_file("loar", "ink")


def test_model_folders_in_the_environment_stand_as_in_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASEL_MODEL_FOLDERS", os.pathsep.join(("/a b", "/c")))
    assert read_settings().model_folders == (Path("/a b"), Path("/c"))
