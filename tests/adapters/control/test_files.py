"""Published files of control models: each layout read into diffusers' modules, known by its header, refused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from easel.adapters.control.loading import load_control, short_hash
from easel.core.errors import BadValue, Incomplete, Mismatch, Unrecognised
from easel.core.settings import read_settings
from easel.core.work import Rows
from easel.models.accelerate import machine_for
from easel.models.family import Model, load
from easel.models.files.opening import listing_of
from easel.models.layouts.controls import control_for
from easel.models.layouts.identify import identify
from easel.models.memory.residency import Residency
from tests.adapters.control.making import act, act_of, evaluated, picture, rows_of, stirred, write_controlnet
from tests.counting import CountingDevice
from tests.layouts.flux import SMALL_DEV, flux_shapes
from tests.layouts.xl import SMALL_BASE
from tests.ldm import FULL_1, FULL_2, SMALL_1, Build, Shapes, filled, put, random_tensors, unet_shapes, write_ldm

HINTS = ((4, 3), (4, 4), (8, 4), (8, 8), (8, 8), (8, 8), (16, 8))


def control_shapes(build: Build, hints: tuple[tuple[int, int], ...] = HINTS) -> Shapes:
    """cldm.cldm.ControlNet."""
    own = ("time_embed.", "label_emb.", "input_blocks.", "middle_block.")
    found = {name: shape for name, shape in unet_shapes(build).items() if name.startswith(own)}
    for place, (wide, read) in enumerate((*hints, (build.base, hints[-1][0]))):
        put(found, f"input_hint_block.{2 * place}", wide, read, 3, 3)
    widths, level = [build.base], 0
    for place in range(1, 1 + max(int(name.split(".")[1]) for name in found if name.startswith("input_blocks."))):
        widths.append(build.widths[level] * build.base)
        level += f"input_blocks.{place}.0.op.weight" in found
    for place, width in enumerate(widths):
        put(found, f"zero_convs.{place}.0", width, width, 1, 1)
    put(found, "middle_block_out.0", widths[-1], widths[-1], 1, 1)
    return found


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A Stable Diffusion 1 in latent-diffusion's layout."""
    file = write_ldm(tmp_path_factory.mktemp("models") / "small.safetensors", random_tensors(SMALL_1))
    return load(identify(file), read_settings(precision="float32"))


def as_in(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in tensors.items()}


def led(model: Model, path: Path) -> Tensor:
    """Rows led by a control model's file."""
    return led_by(model, act(path, model))


def led_by(model: Model, given: Any) -> Tensor:
    rows = rows_of(model)
    return evaluated(model, Rows(rows.x, rows.sigma, rows.context, acts=((given,), (given,))))


@pytest.mark.parametrize(
    ("name", "prefix"), [("bare.safetensors", ""), ("own.safetensors", "control_model."), ("old.pth", "control_model.")]
)
def test_latent_diffusions_names_are_diffusers(small: Model, tmp_path: Path, name: str, prefix: str) -> None:
    from diffusers import ControlNetModel
    from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint

    tensors = as_in(filled(control_shapes(SMALL_1), seed=3), prefix)
    if name.endswith(".pth"):
        torch.save({"state_dict": tensors}, tmp_path / name)
    else:
        save_file(tensors, tmp_path / name)
    unet: Any = small.parts["unet"]
    made = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 8, 8, 16))
    made.load_state_dict(convert_controlnet_checkpoint(dict(tensors), made.config))
    made.save_pretrained(tmp_path / "folder")
    assert torch.equal(led(small, tmp_path / name), led(small, tmp_path / "folder"))
    assert control_for(listing_of(tmp_path / name))[0] == "sd"


def test_a_single_file_in_diffusers_names_tells_its_config(tmp_path: Path) -> None:
    """Its norms are of 32 groups, as all published ones have them."""
    from diffusers import ControlNetModel

    wide: Any = {"block_out_channels": (64, 128), "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D")}
    wide |= {"layers_per_block": 1, "cross_attention_dim": 64, "conditioning_embedding_out_channels": (4, 8, 8, 16)}
    net = stirred(ControlNetModel(**wide))
    net.save_pretrained(tmp_path / "edges")
    alone = tmp_path / "edges.safetensors"
    (tmp_path / "edges" / "diffusion_pytorch_model.safetensors").rename(alone)
    made: Any = load_control(alone, machine_for(read_settings(precision="float32")))
    for key in ("cross_attention_dim", "attention_head_dim", "conditioning_channels", "use_linear_projection"):
        assert made.net.config[key] == net.config[key]
    for key in ("block_out_channels", "down_block_types", "conditioning_embedding_out_channels"):
        assert list(made.net.config[key]) == list(net.config[key])


def low_rank(
    tensors: dict[str, Tensor], base: dict[str, Tensor], rank: int = 4
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return a control-LoRA in Stability's layout, and the ControlNet that it stands for."""
    chance = torch.Generator().manual_seed(7)
    file: dict[str, Tensor] = {"lora_controlnet": torch.zeros(0)}
    merged = dict(tensors)
    for name, value in tensors.items():
        own = base.get(f"model.diffusion_model.{name}")
        if own is None or value.ndim == 1:
            file[name] = value
            continue
        up = torch.randn(len(value), rank, *[1] * (value.ndim - 2), generator=chance) * 0.2
        down = torch.randn(rank, *value.shape[1:], generator=chance) * 0.2
        file[name.replace(".weight", ".up")], file[name.replace(".weight", ".down")] = up, down
        merged[name] = own + (up.flatten(1) @ down.flatten(1)).view(value.shape)
    return file, merged


def test_a_control_lora_is_the_controlnet_that_it_stands_for(small: Model, tmp_path: Path) -> None:
    file, merged = low_rank(filled(control_shapes(SMALL_1), seed=3), random_tensors(SMALL_1))
    save_file(file, tmp_path / "lora.safetensors")
    save_file(merged, tmp_path / "merged.safetensors")
    loaded: Any = load_control(tmp_path / "lora.safetensors", small.machine)
    fitted = loaded.fitted(small)
    torch.testing.assert_close(
        led_by(small, act_of(fitted, small)), led(small, tmp_path / "merged.safetensors"), rtol=1e-3, atol=1e-4
    )
    assert loaded.fitted(small) is fitted
    unet: Any = small.parts["unet"]
    mine, theirs = (one.down_blocks[0].resnets[0].conv1.weight for one in (fitted.net, unet))
    assert mine.data_ptr() == theirs.data_ptr(), "the U-Net's own weights are shared"
    assert mine is not theirs, "what is merged into the U-Net stays there"


def test_a_difference_is_added_to_the_unet(small: Model, tmp_path: Path) -> None:
    base = random_tensors(SMALL_1)
    whole = filled(control_shapes(SMALL_1), seed=3)
    differs = {name: value - base.get(f"model.diffusion_model.{name}", torch.zeros(1)) for name, value in whole.items()}
    save_file({"difference": torch.ones(1), **as_in(differs, "control_model.")}, tmp_path / "diff.safetensors")
    save_file(whole, tmp_path / "whole.safetensors")
    torch.testing.assert_close(
        led(small, tmp_path / "diff.safetensors"), led(small, tmp_path / "whole.safetensors"), rtol=1e-3, atol=1e-4
    )


def adapter_shapes(widths: tuple[int, ...], read: int, each: int, *, light: bool = False) -> Shapes:
    """T2I-Adapter's own Adapter and Adapter_light."""
    found: Shapes = {}
    if not light:
        put(found, "conv_in", widths[0], read, 3, 3)
    before = widths[0] if not light else read
    for level, width in enumerate(widths):
        if light:
            put(found, f"body.{level}.in_conv", width // 4, before, 1, 1)
            put(found, f"body.{level}.out_conv", width, width // 4, 1, 1)
            for place in range(each):
                for part in ("block1", "block2"):
                    put(found, f"body.{level}.body.{place}.{part}", width // 4, width // 4, 3, 3)
        else:
            if before != width:
                put(found, f"body.{level * each}.in_conv", width, before, 1, 1)
            for place in range(each):
                put(found, f"body.{level * each + place}.block1", width, width, 3, 3)
                put(found, f"body.{level * each + place}.block2", width, width, 1, 1)
        before = width
    return found


@pytest.mark.parametrize(
    ("shapes", "kind", "family"),
    [
        (adapter_shapes((32, 64, 96, 96), 192, 2), "full_adapter", ("sd", "1.x")),
        (adapter_shapes((32, 64, 96, 96), 768, 2), "full_adapter_xl", ("sdxl", "base")),
        (adapter_shapes((32, 64, 96, 96), 64, 4, light=True), "light_adapter", ("sd", "1.x")),
    ],
)
def test_t2i_adapters_in_their_makers_names(
    tiny: Model, tmp_path: Path, shapes: Shapes, kind: str, family: Any
) -> None:
    file = tmp_path / "sketch.safetensors"
    tensors = filled(shapes)
    save_file(tensors, file)
    made: Any = load_control(file, tiny.machine)
    assert (made.net.config.adapter_type, control_for(listing_of(file))) == (kind, family)
    assert identify(file).kind == "t2i_adapter"
    assert sum(one.numel() for one in made.net.state_dict().values()) == sum(one.numel() for one in tensors.values())
    pixels = picture() if kind != "light_adapter" else picture()[:, :1]
    folder = tmp_path / "again"
    made.net.save_pretrained(folder)
    again: Any = load_control(folder, tiny.machine)
    assert all(torch.equal(one, other) for one, other in zip(made.net(pixels), again.net(pixels), strict=True))


@pytest.mark.filterwarnings("ignore:`FluxPosEmbed`:FutureWarning")
def test_xlabs_controlnets_of_flux(tiny: Model, tmp_path: Path) -> None:
    size = replace(SMALL_DEV, double=2, single=0, width=128, head=128)
    shapes = {name: shape for name, shape in flux_shapes(size).items() if not name.startswith("final_layer.")}
    for place, (wide, read) in enumerate(((16, 3), *[(16, 16)] * 7)):
        put(shapes, f"input_hint_block.{2 * place}", wide, read, 3, 3)
    for block in range(2):
        put(shapes, f"controlnet_blocks.{block}", 128, 128)
    put(shapes, "pos_embed_input", 128, 64)
    save_file(filled(shapes), tmp_path / "canny.safetensors")
    made: Any = load_control(tmp_path / "canny.safetensors", tiny.machine)
    assert made.repeats
    assert made.embedded(picture()).shape == (1, 16, 128)
    assert control_for(listing_of(tmp_path / "canny.safetensors")) == ("flux", "")


@pytest.mark.parametrize(
    ("build", "family"), [(FULL_1, ("sd", "1.x")), (FULL_2, ("sd", "2.x")), (SMALL_BASE.build, ("sdxl", "base"))]
)
def test_headers_tell_the_family(tmp_path: Path, build: Build, family: tuple[str, str]) -> None:
    from tests.layouts.sparse import write_sparse

    file = write_sparse(tmp_path / "edges.safetensors", control_shapes(build))
    found = identify(file)
    assert (found.kind, found.family, found.variant) == ("controlnet", *family)
    assert found.words == f"ControlNet, {' '.join(family)}"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("control_to_base_for_conv_in.weight", "ControlNet-XS"),
        ("controlnet_blocks.0.weight", "no control model"),
    ],
)
def test_others_are_refused_by_name(tiny: Model, tmp_path: Path, name: str, words: str) -> None:
    save_file({name: torch.zeros(4, 4)}, tmp_path / "other.safetensors")
    with pytest.raises(Unrecognised, match=words):
        load_control(tmp_path / "other.safetensors", tiny.machine)


def test_folders_of_other_classes_are_refused(tiny: Model, tmp_path: Path) -> None:
    folder = write_controlnet(tmp_path / "edges", tiny)
    config = (folder / "config.json").read_text().replace("ControlNetModel", "ControlNetXSAdapter")
    (folder / "config.json").write_text(config)
    with pytest.raises(Unrecognised, match="ControlNetXSAdapter"):
        load_control(folder, tiny.machine)


def test_a_file_cut_short_and_one_too_many_tensors(tiny: Model, tmp_path: Path) -> None:
    tensors = filled(control_shapes(SMALL_1))
    file = tmp_path / "edges.safetensors"
    save_file({**tensors, "stranger.weight": torch.zeros(2)}, file)
    with pytest.raises(Mismatch, match="stranger"):
        load_control(file, tiny.machine)
    save_file({name: value for name, value in tensors.items() if "middle_block_out" not in name}, file)
    with pytest.raises(Incomplete, match="controlnet_mid_block"):
        load_control(file, tiny.machine)


def test_control_models_for_others_are_refused(small: Model, tiny: Model, tmp_path: Path) -> None:
    folder = write_controlnet(tmp_path / "edges", tiny)
    with pytest.raises(Mismatch, match=r"reads words of 32 numbers, and the model gives 64"):
        act(folder, small)
    with pytest.raises(BadValue, match=r"controls\[0\].blocks is '2 factors', allowed is 5, or none"):
        act(folder, tiny, blocks=(1.0, 0.5))


def test_its_hash_is_the_one_of_a1111s_controlnet(tmp_path: Path) -> None:
    import hashlib

    data = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(data)
    assert short_hash(tmp_path / "file") == hashlib.sha256(data[0x100000:0x110000]).hexdigest()[:8]


def test_a_union_has_no_other_kinds(tiny: Model, tmp_path: Path) -> None:
    folder = write_controlnet(tmp_path / "union", tiny, union=True, addition_time_embed_dim=8)
    with pytest.raises(BadValue, match=r"controls\[0\].kind is 'tile', allowed is one .* openpose, depth"):
        act(folder, tiny, kind="tile")


def test_where_weights_come_and_go_a_control_lora_has_its_own(small: Model, tmp_path: Path) -> None:
    """Shared ones would leave with the U-Net; the product of the factors is in them."""
    file, merged = low_rank(filled(control_shapes(SMALL_1), seed=3), random_tensors(SMALL_1))
    save_file(file, tmp_path / "lora.safetensors")
    moving = replace(small.machine, residency=Residency(CountingDevice(2**30), 2**30))
    fitted: Any = load_control(tmp_path / "lora.safetensors", moving).fitted(small)
    unet: Any = small.parts["unet"]
    mine, theirs = (one.down_blocks[0].resnets[0].conv1.weight for one in (fitted.net, unet))
    assert mine.data_ptr() != theirs.data_ptr()
    torch.testing.assert_close(mine, merged["input_blocks.1.0.in_layers.2.weight"])
