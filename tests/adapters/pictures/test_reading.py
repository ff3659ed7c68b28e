"""Files of image prompts: what they are by their headers, and what is wrong with those that are not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from easel.adapters.pictures.loading import load_image_prompt
from easel.adapters.pictures.reading import read_image_prompt
from easel.core.errors import Incomplete, Mismatch, Unrecognised, Unsafe
from easel.models.accelerate import Machine
from easel.models.layouts.identify import identify
from tests.adapters.networks.making import tiny_unet
from tests.adapters.pictures.making import KINDS, flattened, image_prompt, write_image_prompt
from tests.adapters.pictures.published import FILES, XL
from tests.layouts.sparse import write_sparse

MACHINE = Machine("cpu", torch.float32, torch.float32)


@pytest.mark.parametrize("name", FILES)
def test_published_files_of_full_size(tmp_path: Path, name: str) -> None:
    """Told by their headers; every tensor of the projection has its place in diffusers' module, at its shape."""
    from importlib import import_module

    shapes, words, reads, read, tokens = FILES[name]
    file = read_image_prompt(write_sparse(tmp_path / f"{name}.safetensors", shapes))
    assert (file.words, file.kind.reads, file.made.read, file.made.tokens) == (words, reads, read, tokens)
    assert file.shortcut == ("plusv2" in name)
    assert bool(file.lora) == any("_lora" in key for key in shapes)
    kind = getattr(import_module("diffusers.models.embeddings"), file.kind.module)
    with torch.device("meta"):
        module: Any = kind(**file.made.config)
    placed = [name for place in file.places.values() for name in place.names]
    assert sorted(placed) == sorted(module.state_dict())
    for old, place in file.places.items():
        sizes = [tuple(module.state_dict()[one].shape) for one in place.names]
        assert (sum(size[0] for size in sizes), *sizes[0][1:]) == shapes[old]
    assert identify(file.path).words == f"IP-Adapter, {'sdxl base' if 'SDXL' in words else 'sd 1.x'}"
    used = {*file.places, *file.keys, *file.values, *file.lora.values()}
    assert used == set(shapes)


def test_they_count_attentions_as_diffusers_does() -> None:
    """Down, up and the middle: the order in which the numbers of a file are meant."""
    from diffusers import UNet2DConditionModel

    config: dict[str, Any] = {
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10),
        "cross_attention_dim": 2048,
        "attention_head_dim": (5, 10, 20),
    }
    with torch.device("meta"):
        unet: Any = UNet2DConditionModel(**config)
    own = [unet.get_submodule(name.removesuffix(".processor")) for name in unet.attn_processors]
    assert [one.to_k.weight.shape[0] for one in own[1::2]] == XL


def tensors_of(kind: str) -> dict[str, Tensor]:
    return flattened(image_prompt(kind, tiny_unet()))


def written(tmp_path: Path, tensors: dict[str, Tensor]) -> Path:
    from safetensors.torch import save_file

    save_file(tensors, tmp_path / "a.safetensors")
    return tmp_path / "a.safetensors"


def test_both_endings_and_a_folder_are_the_same(tmp_path: Path) -> None:
    nested = image_prompt("face", tiny_unet(), lora=True)
    files = [write_image_prompt(tmp_path / name, nested) for name in ("a.safetensors", "a.bin")]
    (tmp_path / "alone").mkdir()
    write_image_prompt(tmp_path / "alone" / "ip_adapter.bin", nested)
    first, *others = [load_image_prompt(file, MACHINE) for file in (*files, tmp_path / "alone")]
    for other in others:
        assert all(map(torch.equal, first.keys, other.keys))
        assert all(map(torch.equal, first.values, other.values))
        assert first.lora.keys() == other.lora.keys()
        mine, theirs = (one.projection.module.state_dict() for one in (first, other))
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    with pytest.raises(Incomplete, match="has 2 weights files"):
        read_image_prompt(tmp_path)


def test_as_training_leaves_it(tmp_path: Path) -> None:
    names = {"image_proj.": "image_proj_model.", "ip_adapter.": "adapter_modules."}
    left = {
        next(new + name.removeprefix(old) for old, new in names.items() if name.startswith(old)): tensor
        for name, tensor in tensors_of("plain").items()
    }
    left["unet.conv_in.weight"] = torch.zeros(1)
    file = read_image_prompt(written(tmp_path, left))
    assert file.kind.words == "IP-Adapter"
    assert load_image_prompt(file.path, MACHINE).keys[0].shape == (32, 32)


def test_more_tokens_than_four(tmp_path: Path) -> None:
    tensors = tensors_of("plain")
    tensors["image_proj.proj.weight"] = torch.randn(7 * 32, 24)
    tensors["image_proj.proj.bias"] = torch.randn(7 * 32)
    assert load_image_prompt(written(tmp_path, tensors), MACHINE).file.made.tokens == 7


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    tensors = tensors_of("plus")
    del tensors["ip_adapter.3.to_v_ip.weight"]
    with pytest.raises(Incomplete, match=r"a\.safetensors: 'ip_adapter\.3\.to_v_ip\.weight' is missing"):
        read_image_prompt(written(tmp_path, tensors))
    tensors = tensors_of("plus")
    del tensors["image_proj.proj_out.weight"]
    with pytest.raises(Incomplete, match=r"of its image_proj 'proj_out\.weight' is missing"):
        read_image_prompt(written(tmp_path, tensors))
    tensors = tensors_of("plus")
    del tensors["image_proj.norm_out.bias"]
    with pytest.raises(Incomplete, match=r"norm_out\.bias"):
        load_image_prompt(written(tmp_path, tensors), MACHINE)


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    tensors = tensors_of("plain")
    tensors["ip_adapter.1.to_k_ip.weight"] = torch.zeros(32, 33)
    with pytest.raises(Mismatch, match=r"to_k_ip\.weight' is \(32, 33\), its image_proj makes tokens 32 wide"):
        read_image_prompt(written(tmp_path, tensors))
    tensors = tensors_of("plain")
    tensors["image_proj.more"] = torch.zeros(2)
    with pytest.raises(Mismatch, match=r"first 'image_proj\.more'"):
        load_image_prompt(written(tmp_path, tensors), MACHINE)


def test_what_is_no_image_prompt_for_a_unet(tmp_path: Path) -> None:
    """Those for transformers have other layers, and a LoRA has none of these."""
    flux = {"image_proj.proj.weight": torch.zeros(4, 4), "image_proj.norm.weight": torch.zeros(4)}
    flux["ip_adapter.0.to_k_ip.bias"] = torch.zeros(4)
    for tensors in (flux, {"lora_unet_down.lora_up.weight": torch.zeros(1)}):
        with pytest.raises(Unrecognised, match="no IP-Adapter for a U-Net"):
            read_image_prompt(written(tmp_path, tensors))


class Runs:
    """A pickle of this would call print."""

    def __reduce__(self) -> Any:
        return print, ("run",)


def test_pickles_are_not_run(tmp_path: Path) -> None:
    torch.save({"image_proj": {}, "ip_adapter": Runs()}, tmp_path / "a.bin")
    with pytest.raises(Unsafe, match="print"):
        read_image_prompt(tmp_path / "a.bin")


def test_reading_needs_no_torch() -> None:
    code = "import sys; import easel.adapters.pictures.reading, easel.models.layouts.picture_towers"
    told = subprocess.run(
        [sys.executable, "-c", f"{code}; print('torch' in sys.modules)"], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "False"


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_halves_stay_halves_and_make_the_same_tokens(tmp_path: Path, kind: str) -> None:
    """Published files are float16, which a processor keeps as they are and computes in float32."""
    tensors = {name: tensor.half() for name, tensor in tensors_of(kind).items()}
    half = load_image_prompt(written(tmp_path, tensors), MACHINE)
    (tmp_path / "full").mkdir()
    full = load_image_prompt(written(tmp_path / "full", {name: one.float() for name, one in tensors.items()}), MACHINE)
    made = full.file.made
    seen = torch.randn(2, made.read) if full.file.kind.reads == "projection" else torch.randn(2, 5, made.read)
    faces = torch.randn(2, made.face) if made.face else None
    one, other = (adapter.projection.tokens(seen if made.read else None, faces) for adapter in (half, full))
    assert one.dtype == torch.float32
    assert one.shape == (2, made.tokens or 5, 32)
    torch.testing.assert_close(one, other)
    assert half.keys[0].dtype == torch.float16
    torch.testing.assert_close(half.led(one, (1, 1), {}).keys[0], full.led(other, (1, 1), {}).keys[0])
