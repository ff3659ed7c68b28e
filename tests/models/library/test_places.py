"""Where files of every kind stand, in Easel's folder and in those of other programs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.core.settings import read_settings
from easel.models.library.kinds import KIND_OF_FOLDER, KINDS, SKIPPED
from easel.models.library.names import Library
from easel.models.library.places import Found, meant_by, names_of, scan
from easel.models.library.programs import folders_of, program_of

BUNDLED = "starter-4steps"  # the LoRA that goes with the embedded model


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def found_in(own: Path, *others: Path) -> set[tuple[str, str]]:
    return {(found.kind, found.below) for found in scan(own, others).found}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_folders_of_its_own(tmp_path: Path, kind: str) -> None:
    endings = KINDS[kind].endings
    for folder in KINDS[kind].folders:
        home = tmp_path / folder
        touch(*(home / folder / f"x{place}{ending.upper()}" for place, ending in enumerate(endings)), home / "x.txt")
        founds = scan(home, ()).found
        assert {found.kind for found in founds} == {kind}
        assert [Path(found.path).suffix.lower() for found in founds] == list(endings)  # the preferred first


def test_no_folder_says_two_things() -> None:
    folders = [folder for kind in KINDS.values() for folder in kind.folders]
    assert len(folders) == len(set(folders)) == len(KIND_OF_FOLDER)
    assert not SKIPPED & set(folders)


# Where programs keep things: below the program's folder, and what Easel takes it for.
LAYOUTS = {
    "A1111": {
        "models/Stable-diffusion/sub/a.safetensors": ("checkpoint", "sub/a.safetensors"),
        "models/Stable-diffusion/a.vae.pt": ("vae", "a.vae.pt"),
        "models/Lora/sub/b.safetensors": ("lora", "sub/b.safetensors"),
        "models/LyCORIS/c.safetensors": ("lora", "c.safetensors"),
        "models/VAE/d.pt": ("vae", "d.pt"),
        "models/VAE-approx/taesd_decoder.pth": ("vae", "taesd_decoder.pth"),
        "models/ESRGAN/e.pth": ("upscaler", "e.pth"),
        "embeddings/f.pt": ("embedding", "f.pt"),
        "models/hypernetworks/g.pt": None,
        "venv/lib/h.safetensors": None,
    },
    "Forge": {
        "modules_forge/config.py": None,
        "models/Stable-diffusion/flux.gguf": ("checkpoint", "flux.gguf"),
        "models/text_encoder/t5.safetensors": ("text_encoder", "t5.safetensors"),
    },
    "ComfyUI": {
        "models/checkpoints/a.safetensors": ("checkpoint", "a.safetensors"),
        "models/unet/b.gguf": ("denoiser", "b.gguf"),
        "models/diffusion_models/c.sft": ("denoiser", "c.sft"),
        "models/clip/clip_l.safetensors": ("text_encoder", "clip_l.safetensors"),
        "models/text_encoders/t5.safetensors": ("text_encoder", "t5.safetensors"),
        "models/vae_approx/taesd_decoder.pth": ("vae", "taesd_decoder.pth"),
        "models/loras/d.safetensors": ("lora", "d.safetensors"),
        "models/embeddings/e.pt": ("embedding", "e.pt"),
        "models/upscale_models/f.pth": ("upscaler", "f.pth"),
        "models/controlnet/g.pth": ("controlnet", "g.pth"),
        "models/clip_vision/h.safetensors": ("clip_vision", "h.safetensors"),
        "output/i.safetensors": None,
    },
    "InvokeAI": {
        "invokeai.yaml": None,
        "models/sdxl/main/a/model_index.json": ("checkpoint", "a"),
        "models/sd-1/lora/b.safetensors": ("lora", "b.safetensors"),
        "models/sdxl/vae/c/diffusion_pytorch_model.safetensors": ("vae", "c/diffusion_pytorch_model.safetensors"),
        "models/any/embedding/d.pt": ("embedding", "d.pt"),
        "models/5f2c/e.safetensors": ("checkpoint", "5f2c/e.safetensors"),
        "outputs/f.safetensors": None,
    },
    "Stability Matrix": {
        "Models/StableDiffusion/a.safetensors": ("checkpoint", "a.safetensors"),
        "Models/TextEncoders/b.safetensors": ("text_encoder", "b.safetensors"),
    },
}


@pytest.mark.parametrize("program", LAYOUTS)
def test_folders_of_other_programs(tmp_path: Path, program: str) -> None:
    root = tmp_path / "program"
    touch(*(root / file for file in LAYOUTS[program]))
    wanted = {told for told in LAYOUTS[program].values() if told}
    assert found_in(tmp_path / "mine", root) == wanted
    assert program_of(root) == program
    models = next(folder for folder in root.iterdir() if folder.name.casefold() == "models")
    assert program_of(models) == program
    inside = {told for file, told in LAYOUTS[program].items() if told and file.casefold().startswith("models/")}
    if program != "InvokeAI":  # its files without a kind are told from others by what stands beside its models folder
        assert found_in(tmp_path / "mine", models) == inside


def test_a_folder_of_ones_own_is_taken_whole(tmp_path: Path) -> None:
    touch(tmp_path / "a.safetensors", tmp_path / "loras" / "b.safetensors", tmp_path / "x" / "VAE" / "c.pt")
    wanted = {("checkpoint", "a.safetensors"), ("lora", "b.safetensors"), ("vae", "c.pt")}
    assert found_in(tmp_path / "none", tmp_path) == wanted == found_in(tmp_path)
    assert program_of(tmp_path) == ""


def test_comfyui_s_list_of_more_folders(tmp_path: Path) -> None:
    comfy, webui = tmp_path / "ComfyUI", tmp_path / "webui"
    touch(comfy / "models" / "checkpoints" / "a.safetensors", webui / "models" / "Lora" / "b.safetensors")
    touch(webui / "models" / "LyCORIS" / "c.safetensors", comfy / "more" / "d.safetensors")
    listed = """
    a111:
        base_path: ../webui/
        loras: |
            models/Lora
            models/LyCORIS
        configs: models/configs
    own:
        checkpoints: more
        is_default: true
    """
    (comfy / "extra_model_paths.yaml").write_text(listed, encoding="utf-8")
    models = Library(read_settings(models=tmp_path / "mine", model_folders=(comfy,)))
    assert set(models.places()) - {"starter"} == {"a", "d"}
    assert set(models.places("lora")) - {BUNDLED} == {"b", "c"}
    for broken in ("[", "- 1", "a: {loras: [1]}", "{" * 9999, ""):
        (comfy / "extra_model_paths.yaml").write_text(broken, encoding="utf-8")
        assert set(models.places()) - {"starter"} == {"a"}
        assert set(models.places("lora")) - {BUNDLED} == set()


def test_a_link_to_a_folder_is_followed_once(tmp_path: Path) -> None:
    touch(tmp_path / "ComfyUI" / "models" / "loras" / "a.safetensors")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "Lora").symlink_to(tmp_path / "ComfyUI" / "models" / "loras")
    (tmp_path / "models" / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    assert found_in(tmp_path / "models", tmp_path / "ComfyUI" / "models" / "loras") == {("lora", "a.safetensors")}


def test_a_scan_holds_until_something_changes(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "x.safetensors")
    assert not scan(tmp_path, ()).holds()  # what has just changed may change again within the clock's tick
    for folder in (tmp_path, tmp_path / "a"):
        os.utime(folder, (1, 1))
    seen = scan(tmp_path, (tmp_path / "not there",))
    assert seen.holds()
    (tmp_path / "not there").mkdir()
    assert not seen.holds()
    seen = scan(tmp_path / "a", ())
    touch(tmp_path / "a" / "y.safetensors")
    assert not seen.holds()


def found(below: str, base: str = "loras") -> Found:
    return Found("lora", f"/{base}/{below}", below, base, 1, 1)


PATHS = st.lists(st.sampled_from(("a", "b", "A", "model")), min_size=1, max_size=3).map("/".join)
ENDINGS, BASES = st.sampled_from((".safetensors", ".pt")), st.sampled_from(("one", "two"))
FILES = st.lists(st.tuples(PATHS, ENDINGS, BASES), unique=True)


@given(FILES)
def test_every_file_has_one_name_and_is_meant_by_it(files: list[tuple[str, str, str]]) -> None:
    founds = [found(path + ending, base) for path, ending, base in files]
    names = names_of(founds)
    assert sorted(one.path for one in names.values()) == sorted(one.path for one in founds)
    for name in names:
        assert meant_by(names, name) == [name]


def test_names_that_people_may_mean() -> None:
    names = names_of([found("sub/Ink v1.5.safetensors"), found("c/diffusion_pytorch_model.bin"), found("c/ink.pt")])
    assert list(names) == ["sub/Ink v1.5", "c", "c/ink"]
    for meant in ("sub/ink V1.5", "Ink v1.5", "ink v1.5.safetensors", "sub/Ink v1.5.safetensors"):
        assert meant_by(names, meant) == ["sub/Ink v1.5"]
    assert meant_by(names, "ink") == ["c/ink"] and meant_by(names, "Ink v1") == []


def test_folders_of_a_program_that_is_not_there(tmp_path: Path) -> None:
    assert folders_of(str(tmp_path / "none")) == [("checkpoint", str(tmp_path / "none"))]
    assert scan(tmp_path / "none", (tmp_path / "none",)).found == []
