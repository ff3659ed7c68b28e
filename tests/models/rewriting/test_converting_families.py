"""Converting the later families: their published files to folders and back, and folders to files."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from easel.core.errors import Incomplete, Mismatch
from easel.models.layouts.identify import identify
from easel.models.layouts.single import contents_of
from easel.models.layouts.sources import PARTS, source_of
from easel.models.rewriting.converting import Change, plan_conversion, write_file
from easel.models.rewriting.folder import write_folder
from easel.models.rewriting.merging import plan_merge, write_merge
from easel.models.rewriting.pipelines import tokenizer_name
from easel.models.rewriting.published import stock_of
from easel.models.rewriting.record import Wish
from easel.models.rewriting.words import write_words
from tests.layouts.flux import SMALL_DEV, flux_checkpoint
from tests.layouts.sd3 import SMALL_MEDIUM_35, sd3_checkpoint
from tests.layouts.xl import SMALL_BASE, SMALL_REFINER, xl_shapes
from tests.ldm import Shapes, filled, write_ldm
from tests.tiny_families import write_tiny_flux, write_tiny_sd3, write_tiny_sdxl

Tensors = dict[str, Tensor]
FILES: dict[str, Callable[[], Shapes]] = {
    "sdxl base": lambda: xl_shapes(SMALL_BASE),
    "sdxl refiner": lambda: xl_shapes(SMALL_REFINER),
    "sd3 3.5 medium": lambda: sd3_checkpoint(SMALL_MEDIUM_35, third=False),
}
FOLDERS: dict[str, Callable[[Path], Path]] = {
    "sdxl base": write_tiny_sdxl,
    "sd3 3.5 medium": lambda folder: write_tiny_sd3(folder, later=True),
    "flux dev": write_tiny_flux,
}


def worded(folder: Path) -> Path:
    """Give a tiny folder CLIP's own words, as files are read with them."""
    for part in ("text_encoder", "text_encoder_2"):
        file, config = folder / part / "model.safetensors", folder / part / "config.json"
        said = json.loads(config.read_text()) if config.is_file() else {"model_type": "none"}
        if not said["model_type"].startswith("clip"):
            continue
        tensors = load_file(file)
        name = next(name for name in tensors if "token_embedding" in name)
        tensors[name] = torch.randn(49408, tensors[name].shape[1])
        write_ldm(file, tensors)
        marks = {"vocab_size": 49408, "bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 49407}
        config.write_text(json.dumps(said | marks))
        rmtree(folder / tokenizer_name(part))
        write_words(folder / tokenizer_name(part), pads_with_end=said["hidden_act"] == "quick_gelu")
    return folder


def converted(model: Path, out: Path, **change: Any) -> Path:
    write = write_file if out.suffix else write_folder
    list(write(plan_conversion(stock_of(identify(model)), Change(**change)), out))
    return out


def assert_same(found: Tensors, wanted: Tensors) -> None:
    """Hold tensors against each other, bit for bit."""
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor), name


def bare(tensors: Any) -> Tensors:
    """A module's tensors without the name that transformers puts before some of them."""
    return {key.removeprefix("text_model."): value for key, value in tensors.items()}


def half(shapes: Shapes) -> Tensors:
    """A checkpoint in half precision, but for positions."""
    tensors = filled(shapes)
    return {name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}


@pytest.mark.parametrize("name", FILES)
def test_file_to_folder_and_back_is_bit_for_bit(tmp_path: Path, name: str) -> None:
    original = half(FILES[name]())
    file = write_ldm(tmp_path / "model.safetensors", original)
    assert identify(file).words == name
    folder = converted(file, tmp_path / "folder")
    assert identify(folder).words == name
    back = load_file(converted(folder, tmp_path / "back.safetensors"))
    back.pop("text_encoders.clip_l.transformer.text_projection.weight", None)  # which is made for the folder
    lost = [key for keys in contents_of(file).unused.values() for key in keys]
    assert_same(back, {key: value for key, value in original.items() if key not in lost})


@pytest.mark.parametrize("name", FILES)
def test_diffusers_loads_the_folder(tmp_path: Path, name: str) -> None:
    from diffusers import DiffusionPipeline

    file = write_ldm(tmp_path / "model.safetensors", half(FILES[name]()))
    folder = converted(file, tmp_path / "folder")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        without = {"text_encoder_3": None, "tokenizer_3": None} if name.startswith("sd3") else {}
        pipeline: Any = DiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float16, **without)
    source = source_of(identify(file))
    for part in (part for part in PARTS if source.has(part)):
        ours = getattr(pipeline, part).state_dict()
        for key, tensor in source.tensors(part).items():
            assert isinstance(tensor, Tensor) and torch.equal(ours[key], tensor.half()), (part, key)


@pytest.mark.parametrize("name", FOLDERS)
def test_folder_to_file_is_read_as_the_folder(tmp_path: Path, name: str) -> None:
    folder = worded(FOLDERS[name](tmp_path / "folder"))
    file = converted(folder, tmp_path / "file.safetensors")
    one, two = identify(folder), identify(file)
    assert (one.words, one.prediction, two.missing) == (two.words, two.prediction, ()) and one.words == name
    ours, theirs = source_of(two), source_of(one)
    for part in (part for part in PARTS if theirs.has(part)):
        wanted, found = bare(theirs.tensors(part)), bare(ours.tensors(part))
        if name.startswith("sd3") and part == "text_encoder":  # which single files are read without
            wanted.pop("text_projection.weight")
        assert_same({key: found[key] for key in wanted}, wanted)
    again = converted(file, tmp_path / "again.safetensors")
    assert_same(load_file(again), load_file(file))


def test_words_that_nobody_has_are_told(tmp_path: Path) -> None:
    file = write_ldm(tmp_path / "flux.safetensors", half(flux_checkpoint(SMALL_DEV)))
    with pytest.raises(Incomplete, match=r"flux\.safetensors: the words of T5 \(tokenizer_2\) are in no single file"):
        converted(file, tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["flux.safetensors"]


def test_words_of_its_own_stay_in_a_folder(tmp_path: Path) -> None:
    folder = write_tiny_sdxl(tmp_path / "folder")
    out = tmp_path / "out.safetensors"
    with pytest.raises(Mismatch, match=r"folder: its tokenizer has 514 words of its own"):
        converted(folder, out)
    with pytest.raises(Mismatch, match="it can only be a folder"):
        list(write_merge(plan_merge([stock_of(identify(folder))] * 2, Wish()), out))
    assert identify(converted(folder, tmp_path / "half", dtype="float16")).dtype == "float16"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "half"]


def test_xl_is_marked_as_other_programs_read_it(tmp_path: Path) -> None:
    tensors = half(xl_shapes(SMALL_BASE)) | {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}
    folder = converted(write_ldm(tmp_path / "v.safetensors", tensors), tmp_path / "folder")
    assert (identify(folder).prediction, identify(folder).zero_snr) == ("v_prediction", True)
    back = converted(folder, tmp_path / "back.safetensors")
    assert load_file(back).keys() >= {"v_pred", "ztsnr"}
    assert (identify(back).prediction, identify(back).zero_snr) == ("v_prediction", True)


@pytest.mark.parametrize("name", FOLDERS)
def test_every_family_merges_and_folders_with_files(tmp_path: Path, name: str) -> None:
    folder = worded(FOLDERS[name](tmp_path / "folder"))
    file = converted(folder, tmp_path / "file.safetensors")
    shifted = {key: value + 1 if value.is_floating_point() else value for key, value in load_file(file).items()}
    other = write_ldm(tmp_path / "other.safetensors", shifted)
    merged: list[Tensors] = []
    for place, a in enumerate((file, folder)):
        out = tmp_path / f"{place}.safetensors"
        list(write_merge(plan_merge([stock_of(identify(a)), stock_of(identify(other))], Wish(ratio=0.5)), out))
        assert identify(out).words == name
        merged.append(load_file(out))
    assert_same(merged[1], merged[0])
    for key, value in load_file(file).items():
        if value.is_floating_point():
            torch.testing.assert_close(merged[0][key], value + 0.5)


def test_xl_has_19_blocks(tmp_path: Path) -> None:
    """Its first level has two blocks and no attention, so that 9 come in and 9 go out at full size."""
    from easel.models.rewriting.blocks import blocks_of
    from tests.layouts.xl import FULL_BASE, FULL_REFINER

    assert blocks_of(xl_shapes(FULL_BASE)).count == 19
    assert blocks_of(xl_shapes(FULL_REFINER)).count == 25
