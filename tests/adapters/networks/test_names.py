"""Every published naming leads to the same layers, and diffusers and peft read the same of the same file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FluxTransformer2DModel, SD3Transformer2DModel, StableDiffusionPipeline
from diffusers.loaders.lora_conversion_utils import (
    _convert_non_diffusers_lora_to_diffusers,
    _maybe_map_sgm_blocks_to_diffusers,
)
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoHaConfig, LoKrConfig, LoraConfig, get_peft_model, get_peft_model_state_dict
from peft.tuners.ia3 import IA3Config
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTextModelWithProjection

from easel.adapters.networks.fitting import fitted
from easel.adapters.networks.merging import merged
from easel.adapters.networks.reading import read_network
from easel.core.errors import Mismatch, Unrecognised, Unsupported
from tests.adapters.networks.making import (
    kohya,
    layers,
    lora,
    renamed,
    seen_by_unet,
    tiny_text,
    tiny_text_config,
    tiny_unet,
    weights,
)
from tests.adapters.networks.making import written as write

ATTENTION = "down_blocks.0.attentions.0.transformer_blocks.0."
FLAT = ATTENTION.replace(".", "_")
TEXT = "encoder.layers.1.self_attn.q_proj"
FLAT_TEXT = "encoder_layers_1_self_attn_q_proj"
UP, DOWN = ".lora_up.weight", ".lora_down.weight"
PEFT_UP, PEFT_DOWN = ".lora_B.weight", ".lora_A.weight"
OLD_UP, OLD_DOWN = "_lora.up.weight", "_lora.down.weight"

# What a file says, with its two endings; the part and the module meant.
NAMES = [
    (f"lora_unet_{FLAT}attn1_to_q", UP, DOWN, "unet", f"{ATTENTION}attn1.to_q"),
    (f"lora_unet_{FLAT}attn1_to_out_0", UP, DOWN, "unet", f"{ATTENTION}attn1.to_out.0"),
    ("lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q", UP, DOWN, "unet", f"{ATTENTION}attn1.to_q"),
    ("lora_unet_input_blocks_1_1_proj_in", UP, DOWN, "unet", "down_blocks.0.attentions.0.proj_in"),
    ("lora_unet_input_blocks_1_0_in_layers_2", UP, DOWN, "unet", "down_blocks.0.resnets.0.conv1"),
    ("lora_unet_input_blocks_1_0_emb_layers_1", UP, DOWN, "unet", "down_blocks.0.resnets.0.time_emb_proj"),
    ("lora_unet_input_blocks_2_0_op", UP, DOWN, "unet", "down_blocks.0.downsamplers.0.conv"),
    ("lora_unet_input_blocks_3_0_out_layers_3", UP, DOWN, "unet", "down_blocks.1.resnets.0.conv2"),
    ("lora_unet_middle_block_2_0_in_layers_2".replace("_2_0_", "_2_"), UP, DOWN, "unet", "mid_block.resnets.1.conv1"),
    ("lora_unet_output_blocks_1_1_conv", UP, DOWN, "unet", "up_blocks.0.upsamplers.0.conv"),
    ("lora_unet_output_blocks_3_1_proj_out", UP, DOWN, "unet", "up_blocks.1.attentions.1.proj_out"),
    ("lora_unet_input_blocks_0_0", UP, DOWN, "unet", "conv_in"),
    ("lora_unet_time_embed_2", UP, DOWN, "unet", "time_embedding.linear_2"),
    ("lora_unet_out_2", UP, DOWN, "unet", "conv_out"),
    (f"lora_unet.{ATTENTION}attn1.to_q", UP, DOWN, "unet", f"{ATTENTION}attn1.to_q"),
    (f"lycoris_{FLAT}attn2_to_k", UP, DOWN, "unet", f"{ATTENTION}attn2.to_k"),
    (f"unet.{ATTENTION}attn1.to_q", PEFT_UP, PEFT_DOWN, "unet", f"{ATTENTION}attn1.to_q"),
    (f"unet.{ATTENTION}ff.net.0.proj", ".lora.up.weight", ".lora.down.weight", "unet", f"{ATTENTION}ff.net.0.proj"),
    (f"unet.{ATTENTION}attn1.processor.to_q", OLD_UP, OLD_DOWN, "unet", f"{ATTENTION}attn1.to_q"),
    (f"{ATTENTION}attn1.processor.to_out", OLD_UP, OLD_DOWN, "unet", f"{ATTENTION}attn1.to_out.0"),
    (f"base_model.model.{ATTENTION}attn1.to_q", PEFT_UP, PEFT_DOWN, "unet", f"{ATTENTION}attn1.to_q"),
    (f"base_model.model.text_model.{TEXT}", PEFT_UP, PEFT_DOWN, "text_encoder", TEXT),
    (f"diffusion_model.{ATTENTION}attn1.to_q", PEFT_UP, PEFT_DOWN, "unet", f"{ATTENTION}attn1.to_q"),
    (f"lora_te_text_model_{FLAT_TEXT}", UP, DOWN, "text_encoder", TEXT),
    (f"lora_te1_text_model_{FLAT_TEXT}", UP, DOWN, "text_encoder", TEXT),
    (f"lora_te2_text_model_{FLAT_TEXT}", UP, DOWN, "text_encoder_2", f"text_model.{TEXT}"),
    ("lora_te2_text_projection", UP, DOWN, "text_encoder_2", "text_projection"),
    (f"lora_te.text_model.{TEXT}", UP, DOWN, "text_encoder", TEXT),
    (f"text_encoder.text_model.{TEXT}", PEFT_UP, PEFT_DOWN, "text_encoder", TEXT),
    (f"text_encoder_2.text_model.{TEXT}", PEFT_UP, PEFT_DOWN, "text_encoder_2", f"text_model.{TEXT}"),
    (f"text_encoder.{TEXT}", ".lora_linear_layer.up.weight", ".lora_linear_layer.down.weight", "text_encoder", TEXT),
    ("text_encoder.text_model.encoder.layers.1.self_attn.to_q", OLD_UP, OLD_DOWN, "text_encoder", TEXT),
    (f"clip_l.text_model.{TEXT}", UP, DOWN, "text_encoder", TEXT),
    (f"clip_g.text_model.{TEXT}", UP, DOWN, "text_encoder_2", f"text_model.{TEXT}"),
]


def written(folder: Path, tensors: dict[str, Tensor], name: str = "network", **metadata: str) -> Any:
    """Write a file's tensors and read the network."""
    return read_network(write(folder, tensors, name, **metadata))


@pytest.fixture(scope="module")
def parts() -> dict[str, nn.Module]:
    """The parts of a tiny SDXL, as far as names go."""
    second = CLIPTextModelWithProjection(tiny_text_config()).requires_grad_(False)
    return {"unet": tiny_unet(), "text_encoder": tiny_text(), "text_encoder_2": second}


@pytest.mark.parametrize(("layer", "up", "down", "part", "module"), NAMES)
def test_a_name_leads_to_its_layer(
    tmp_path: Path, parts: dict[str, nn.Module], layer: str, up: str, down: str, part: str, module: str
) -> None:
    factors = lora(parts[part].get_submodule(module), 3)
    network = written(tmp_path, {layer + up: factors["up"], layer + down: factors["down"]})
    fit = fitted(network, parts)
    assert {name: list(fitted.pieces) for name, fitted in fit.parts.items()} == {part: [module]}
    assert not fit.unused and not network.unknown and network.kinds == ("LoRA",)


def test_every_layer_has_a_name_in_a_stability_file(parts: dict[str, nn.Module]) -> None:
    from easel.adapters.networks.aliases import places_in

    table = places_in(parts["unet"])
    stability = ("input_blocks", "middle_block", "output_blocks", "time_embed_", "out_")
    told = {places[0].name for name, places in table.items() if name.startswith(stability)}
    assert told == {name for name in table.values() for name in [name[0].name]}


def loaded_by_diffusers(state: dict[str, Tensor], alphas: dict[str, float] | None) -> Tensor:
    """Return what a U-Net makes of random rows with a LoRA that diffusers itself has loaded."""
    unet: Any = tiny_unet()
    unet.load_lora_adapter(state, prefix="unet", network_alphas=alphas)
    return seen_by_unet(unet)


@pytest.mark.parametrize("naming", ["diffusers", "stability"])
def test_kohya_equals_diffusers(tmp_path: Path, naming: str) -> None:
    unet = tiny_unet()
    attention = [name for name in layers(unet) if "attentions" in name]
    tensors = kohya(unet, attention, "lora_unet_")
    if naming == "stability":
        blocks = {
            "down_blocks_0_attentions_0": "input_blocks_1_1",
            "up_blocks_1_attentions_0": "output_blocks_2_1",
            "up_blocks_1_attentions_1": "output_blocks_3_1",
            "mid_block_attentions_0": "middle_block_1",
        }
        tensors = renamed(
            tensors, lambda key: next(key.replace(ours, old) for ours, old in blocks.items() if ours in key)
        )
    state = _maybe_map_sgm_blocks_to_diffusers(dict(tensors), unet.config)
    theirs = loaded_by_diffusers(*_convert_non_diffusers_lora_to_diffusers(state))
    fit = fitted(written(tmp_path, tensors), {"unet": unet})
    assert set(fit.parts["unet"].pieces) == set(attention)
    plain = seen_by_unet(unet)
    with merged(unet, [(fit.parts["unet"], 1.0)]):
        assert (seen_by_unet(unet) - theirs).abs().max() < 1e-5 < (theirs - plain).abs().max()


PEFT = {
    "LoRA": LoraConfig(r=4, lora_alpha=6, target_modules=["to_q", "conv1", "proj_in"], init_lora_weights=False),
    "LoRA by root of rank": LoraConfig(
        r=4, lora_alpha=6, use_rslora=True, target_modules=["to_k"], init_lora_weights=False
    ),
    "LoRA of two ranks": LoraConfig(
        r=4,
        lora_alpha=6,
        rank_pattern={"attn2.to_q": 2},
        alpha_pattern={"attn2.to_q": 8},
        target_modules=["to_q"],
        init_lora_weights=False,
    ),
    "LoRA with bias": LoraConfig(
        r=4, lora_alpha=2, lora_bias=True, target_modules=["proj_in"], init_lora_weights=False
    ),
    "DoRA": LoraConfig(r=4, lora_alpha=6, use_dora=True, target_modules=["to_v", "conv2"], init_lora_weights=False),
    "LoHa": LoHaConfig(r=4, alpha=6, target_modules=["to_q", "conv1"], init_weights=False),
    "LoKr": LoKrConfig(r=2, alpha=6, target_modules=["to_q", "conv1"], init_weights=False),
    "IA3": IA3Config(target_modules=["to_k", "net.2"], feedforward_modules=["net.2"], init_ia3_weights=False),
}


@pytest.mark.filterwarnings("ignore:Adapter 'default'")  # a bias has one axis, of which peft itself warns
@pytest.mark.parametrize("kind", PEFT)
def test_peft_reads_the_same(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(1)
    model: Any = get_peft_model(tiny_unet(), PEFT[kind])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "magnitude" in name:
                parameter.mul_(1.3)
    theirs = seen_by_unet(model)
    model.eval()
    state = {key: value.detach().contiguous() for key, value in get_peft_model_state_dict(model).items()}
    save_file(state, tmp_path / "adapter_model.safetensors")
    PEFT[kind].save_pretrained(tmp_path)
    unet = tiny_unet()
    network = read_network(tmp_path / "adapter_model.safetensors")
    fit = fitted(network, {"unet": unet})
    assert not network.unknown and not fit.unused
    plain = seen_by_unet(unet)
    with merged(unet, [(fit.parts["unet"], 1.0)]):
        assert (seen_by_unet(unet) - theirs).abs().max() < 1e-5 < (theirs - plain).abs().max()


def test_diffusers_writes_its_alphas_into_the_metadata(tmp_path: Path) -> None:
    unet: Any = tiny_unet()
    config = LoraConfig(r=4, lora_alpha=6, target_modules=["to_q"], init_lora_weights=False)
    unet.add_adapter(config)
    unet.requires_grad_(False)
    theirs = seen_by_unet(unet)
    state = convert_state_dict_to_diffusers(get_peft_model_state_dict(unet))
    StableDiffusionPipeline.save_lora_weights(
        tmp_path,
        unet_lora_layers=state,
        unet_lora_adapter_metadata=json.loads(json.dumps(config.to_dict(), default=list)),
    )
    ours = tiny_unet()
    fit = fitted(read_network(tmp_path / "pytorch_lora_weights.safetensors"), {"unet": ours})
    with merged(ours, [(fit.parts["unet"], 1.0)]):
        assert (seen_by_unet(ours) - theirs).abs().max() < 1e-5


def tiny_flux() -> FluxTransformer2DModel:
    """Return Flux's transformer with one block of each kind."""
    torch.manual_seed(0)
    flux = FluxTransformer2DModel(
        in_channels=4,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=16,
        pooled_projection_dim=16,
        axes_dims_rope=(4, 2, 2),
        guidance_embeds=True,
    )
    return flux.requires_grad_(False).eval()


def tiny_sd3() -> SD3Transformer2DModel:
    """Return Stable Diffusion 3.5's transformer with two blocks, the first of which attends twice."""
    torch.manual_seed(0)
    sd3 = SD3Transformer2DModel(
        sample_size=8,
        in_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=16,
        caption_projection_dim=16,
        pooled_projection_dim=16,
        out_channels=4,
        pos_embed_max_size=8,
        dual_attention_layers=(0,),
    )
    return sd3.requires_grad_(False).eval()


DOUBLE, SINGLE = "transformer_blocks.0.", "single_transformer_blocks.1."
QKV, ADDED = ("to_q", "to_k", "to_v"), ("add_q_proj", "add_k_proj", "add_v_proj")

# A layer in the published naming, and ours in the order of its rows; "~": halves the other way round.
FLUX = {
    "double_blocks.0.img_attn.qkv": [f"{DOUBLE}attn.{name}" for name in QKV],
    "double_blocks.0.txt_attn.qkv": [f"{DOUBLE}attn.{name}" for name in ADDED],
    "double_blocks.0.img_attn.proj": [f"{DOUBLE}attn.to_out.0"],
    "double_blocks.0.txt_attn.proj": [f"{DOUBLE}attn.to_add_out"],
    "double_blocks.0.img_mlp.0": [f"{DOUBLE}ff.net.0.proj"],
    "double_blocks.0.txt_mlp.2": [f"{DOUBLE}ff_context.net.2"],
    "double_blocks.0.txt_mod.lin": [f"{DOUBLE}norm1_context.linear"],
    "single_blocks.1.linear1": [*(f"{SINGLE}attn.{name}" for name in QKV), f"{SINGLE}proj_mlp"],
    "single_blocks.1.linear2": [f"{SINGLE}proj_out"],
    "single_blocks.1.modulation.lin": [f"{SINGLE}norm.linear"],
    "img_in": ["x_embedder"],
    "guidance_in.in_layer": ["time_text_embed.guidance_embedder.linear_1"],
    "final_layer.linear": ["proj_out"],
    "final_layer.adaLN_modulation.1": ["~norm_out.linear"],
}
SD3 = {
    "joint_blocks.0.x_block.attn.qkv": [f"{DOUBLE}attn.{name}" for name in QKV],
    "joint_blocks.0.x_block.attn2.qkv": [f"{DOUBLE}attn2.{name}" for name in QKV],
    "joint_blocks.0.context_block.attn.qkv": [f"{DOUBLE}attn.{name}" for name in ADDED],
    "joint_blocks.0.context_block.attn.proj": [f"{DOUBLE}attn.to_add_out"],
    "joint_blocks.1.x_block.mlp.fc1": ["transformer_blocks.1.ff.net.0.proj"],
    "joint_blocks.0.context_block.adaLN_modulation.1": [f"{DOUBLE}norm1_context.linear"],
    "joint_blocks.1.context_block.adaLN_modulation.1": ["~transformer_blocks.1.norm1_context.linear"],
    "x_embedder.proj": ["pos_embed.proj"],
    "final_layer.linear": ["proj_out"],
}
PUBLISHED = [(tiny_flux, FLUX), (tiny_sd3, SD3)]


def deltas(part: nn.Module, network: Any) -> dict[str, Tensor]:
    """Return what a network adds to each weight of a part."""
    fit, before = fitted(network, {"transformer": part}), weights(part)
    assert not fit.unused
    with merged(part, [(fit.parts["transformer"], 1.0)]):
        found = {name: value - before[name] for name, value in part.state_dict().items()}
    return {name.removesuffix(".weight"): value for name, value in found.items() if value.abs().max() > 0}


def own_rows(part: nn.Module, names: list[str], whole: Tensor) -> dict[str, Tensor]:
    """Return the rows of a file's one weight by our layers, whose names tell where halves change places."""
    bare = [name.removeprefix("~") for name in names]
    pieces = whole.split([len(part.get_submodule(name).weight) for name in bare])
    return {
        name: torch.cat(rows.chunk(2)[::-1]) if names[0] != bare[0] else rows
        for name, rows in zip(bare, pieces, strict=True)
    }


@pytest.mark.parametrize("naming", ["kohya", "published", "whole", "by outputs"])
@pytest.mark.parametrize(("maker", "names"), PUBLISHED)
def test_weights_that_files_have_in_one_are_split(tmp_path: Path, maker: Any, names: Any, naming: str) -> None:
    part, tensors, expected = maker(), {}, {}
    for number, (published, ours) in enumerate(names.items()):
        layer = nn.Module()
        own = torch.cat([part.get_submodule(name.removeprefix("~")).weight for name in ours])
        layer.weight = nn.Parameter(own)
        factors = lora(layer, number)
        whole = (factors["up"].flatten(1) @ factors["down"].flatten(1)).reshape(own.shape) * 2
        stem = f"lora_unet_{published.replace('.', '_')}"
        if naming == "kohya":
            tensors |= {f"{stem}.lora_{role}.weight": value for role, value in factors.items()}
            tensors[f"{stem}.alpha"] = torch.tensor(8.0)
        elif naming == "published":
            stem = f"diffusion_model.{published}"
            tensors |= {f"{stem}.lora_A.weight": factors["down"], f"{stem}.lora_B.weight": factors["up"] * 2}
        elif naming == "whole":
            tensors[f"{stem}.diff"] = whole
        else:
            scales = torch.linspace(-1, 1, len(own))
            tensors |= {f"{stem}.weight": scales, f"{stem}.on_input": torch.tensor(0)}
            for name, rows in own_rows(part, ours, scales).items():
                weight = part.get_submodule(name).weight
                expected[name] = weight * rows.reshape(-1, *[1] * (weight.ndim - 1))
            continue
        expected |= own_rows(part, ours, whole)
    found = deltas(part, written(tmp_path, tensors))
    assert found.keys() == expected.keys()
    assert all((found[name] - expected[name]).abs().max() < 1e-5 for name in expected)


def test_flux_in_diffusers_naming(tmp_path: Path) -> None:
    flux = tiny_flux()
    names = [name for name in layers(flux) if name.startswith(("transformer_blocks", "single"))]
    tensors: dict[str, Tensor] = {}
    for number, name in enumerate(names):
        factors = lora(flux.get_submodule(name), number)
        tensors[f"transformer.{name}.lora_A.weight"] = factors["down"]
        tensors[f"transformer.{name}.lora_B.weight"] = factors["up"]
    assert set(deltas(flux, written(tmp_path, tensors))) == set(names)


def test_what_cannot_be_split_is_refused(tmp_path: Path) -> None:
    tensors = {"lora_unet_double_blocks_0_img_attn_qkv.oft_blocks": torch.zeros(12, 4, 4)}
    message = r"'lora_unet_double_blocks_0_img_attn_qkv' is OFT over several layers of this model at once"
    with pytest.raises(Unsupported, match=message):
        fitted(written(tmp_path, tensors), {"transformer": tiny_flux()})


def test_what_fits_nothing_is_told(tmp_path: Path) -> None:
    unet = tiny_unet()
    tensors = kohya(unet, ["conv_in"], "lora_unet_") | renamed(
        kohya(unet, ["conv_out"], "lora_unet_"), lambda key: key.replace("conv_out", "conv_nowhere")
    )
    tensors |= {"bundle_emb.fox.string_to_param.*": torch.zeros(2, 32), "something_else": torch.zeros(1)}
    network = written(tmp_path, tensors)
    assert network.unknown == ("something_else",)
    assert list(network.bundled) == ["fox"] and list(network.bundled["fox"]) == ["string_to_param.*"]
    assert fitted(network, {"unet": unet}).unused == ("lora_unet_conv_nowhere",)


@pytest.mark.parametrize(
    ("width", "family"), [(768, "Stable Diffusion 1"), (1024, "Stable Diffusion 2"), (2048, "SDXL")]
)
def test_another_familys_file_is_a_mismatch_that_names_it(tmp_path: Path, width: int, family: str) -> None:
    other = tiny_unet(context=width)
    network = written(tmp_path, kohya(other, [f"{ATTENTION}attn2.to_k"], "lora_unet_"))
    with pytest.raises(Mismatch, match=rf"made for {family}; its '.*attn2_to_k' does not fit this model's .*to_k"):
        fitted(network, {"unet": tiny_unet()})


def test_a_flux_file_on_a_unet_is_a_mismatch(tmp_path: Path) -> None:
    factors = lora(nn.Linear(3072, 16), 1)
    stem = "lora_unet_single_blocks_0_linear2"
    network = written(tmp_path, {f"{stem}{UP}": factors["up"], f"{stem}{DOWN}": factors["down"]})
    with pytest.raises(Mismatch, match=r"network\.safetensors: made for Flux; none of its layers is in this model\."):
        fitted(network, {"unet": tiny_unet()})


def test_a_checkpoint_is_no_network(tmp_path: Path) -> None:
    with pytest.raises(Unrecognised, match=r"not a LoRA or its kin; none of its 2 tensors"):
        written(tmp_path, {"conv_in.weight": torch.zeros(4, 4), "conv_in.bias": torch.zeros(4)})


def test_tensors_that_do_not_fit_one_another(tmp_path: Path) -> None:
    tensors = {f"lora_unet_conv_in.hada_{name}": torch.zeros(4, 4) for name in ("w1_a", "w1_b", "w2_a", "w2_b")}
    tensors |= {"lora_unet_conv_in.hada_t1": torch.zeros(4, 3)}
    with pytest.raises(Mismatch, match=r"the tensors of 'lora_unet_conv_in' do not fit one another: hada_"):
        written(tmp_path, tensors)
