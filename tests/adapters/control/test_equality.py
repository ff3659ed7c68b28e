"""What control models add is what diffusers' own pipelines add, in every build."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from easel.core.errors import Unsupported
from easel.core.settings import read_settings
from easel.core.work import Rows
from easel.models.family import Model, load
from easel.models.layouts.identify import identify
from tests.adapters.control.making import act, evaluated, picture, rows_of, stirred, write_controlnet
from tests.tiny import write_tiny_sd
from tests.tiny_families import G, L, write_tiny_flux, write_tiny_sd3, write_tiny_sdxl

CLOSE: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-5}


def loaded(folder: Path) -> Model:
    """Load a folder in float32."""
    return load(identify(folder), read_settings(precision="float32"))


@pytest.fixture(scope="module")
def xl(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return loaded(write_tiny_sdxl(tmp_path_factory.mktemp("models") / "xl"))


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return loaded(write_tiny_sd3(tmp_path_factory.mktemp("models") / "three", later=True))


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return loaded(write_tiny_flux(tmp_path_factory.mktemp("models") / "flux"))


def by_unet(model: Any, rows: Rows, told: dict[str, Any]) -> Tensor:
    """Return what diffusers' U-Net makes of rows, told besides."""
    with torch.no_grad():
        output = model.unet(**read_by_unet(model, rows), **told, return_dict=False)[0]
    return model.prediction.denoised(output, rows.x, rows.sigma)


def read_by_unet(model: Any, rows: Rows) -> dict[str, Any]:
    """Return what diffusers' pipelines give a U-Net and a ControlNet alike."""
    found = {
        "sample": rows.x / (rows.sigma**2 + 1).sqrt().float()[:, None, None, None],
        "timestep": model.levels.timestep(rows.sigma).float(),
        "encoder_hidden_states": rows.context,
    }
    if rows.extra:
        height, width = (8 * side for side in rows.x.shape[-2:])
        sizes = torch.tensor([[height, width, 0, 0, height, width]], dtype=torch.float32).expand(len(rows), 6)
        found["added_cond_kwargs"] = {"text_embeds": rows.extra["pooled"], "time_ids": sizes}
    return found


def residuals(down: Any, middle: Tensor) -> dict[str, Any]:
    return {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}


def check(model: Model, rows: Rows, given: Any, wanted: Tensor) -> None:
    """Hold rows that are all led against diffusers' numbers, which differ from those without."""
    ours = evaluated(model, replace(rows, acts=((given,),) * len(rows)))
    torch.testing.assert_close(ours, wanted, **CLOSE)
    assert (ours - evaluated(model, rows)).abs().max() > 1e-3


@pytest.mark.parametrize("pooling", [False, True])
def test_controlnet_of_sd1(tiny: Model, tmp_path: Path, pooling: bool) -> None:
    from diffusers import ControlNetModel

    folder = write_controlnet(tmp_path / "edges", tiny, global_pool_conditions=pooling)
    net, rows = ControlNetModel.from_pretrained(folder), rows_of(tiny)
    with torch.no_grad():
        given = net(
            **read_by_unet(tiny, rows),
            controlnet_cond=picture().expand(2, -1, -1, -1),
            conditioning_scale=0.75,
            return_dict=False,
        )
    check(tiny, rows, act(folder, tiny, 0.75), by_unet(tiny, rows, residuals(*given)))


def test_colours_the_other_way_round(tiny: Model, tmp_path: Path) -> None:
    from diffusers import ControlNetModel

    folder = write_controlnet(tmp_path / "edges", tiny, controlnet_conditioning_channel_order="bgr")
    net, rows = ControlNetModel.from_pretrained(folder), rows_of(tiny)
    with torch.no_grad():
        hints = picture().expand(2, -1, -1, -1)
        given = net(**read_by_unet(tiny, rows), controlnet_cond=hints, return_dict=False)
    check(tiny, rows, act(folder, tiny), by_unet(tiny, rows, residuals(*given)))


def test_controlnet_of_sdxl(xl: Model, tmp_path: Path) -> None:
    from diffusers import ControlNetModel

    folder = write_controlnet(tmp_path / "edges", xl)
    net, rows = ControlNetModel.from_pretrained(folder), rows_of(xl, pooled=G)
    with torch.no_grad():
        hints = picture().expand(2, -1, -1, -1)
        given = net(**read_by_unet(xl, rows), controlnet_cond=hints, return_dict=False)
    check(xl, rows, act(folder, xl), by_unet(xl, rows, residuals(*given)))


@pytest.mark.parametrize("kind", ["depth", "Hard Edge"])
def test_union_of_sdxl(xl: Model, tmp_path: Path, kind: str) -> None:
    """Row by row: as published, rows of a batch see each other, and those of one picture are alike."""
    from diffusers import ControlNetUnionModel

    folder = write_controlnet(tmp_path / "union", xl, union=True)
    net, rows = ControlNetUnionModel.from_pretrained(folder), rows_of(xl, 1, pooled=G)
    number = {"depth": 1, "Hard Edge": 3}[kind]
    with torch.no_grad():
        given = net(
            **read_by_unet(xl, rows),
            controlnet_cond=[picture()],
            control_type=torch.nn.functional.one_hot(torch.tensor([number]), 6).float(),
            control_type_idx=[number],
            return_dict=False,
        )
    check(xl, rows, act(folder, xl, kind=kind), by_unet(xl, rows, residuals(*given)))


@pytest.mark.parametrize("kind", ["full_adapter", "light_adapter"])
def test_t2i_adapter_of_sd1(three_levels: Model, tmp_path: Path, kind: str) -> None:
    from diffusers import T2IAdapter

    torch.manual_seed(3)
    widths = [32, 64, 64] if kind == "full_adapter" else [32, 64]
    net: Any = stirred(T2IAdapter(channels=widths, num_res_blocks=1, adapter_type=kind))
    net.save_pretrained(tmp_path / "sketch")
    rows = rows_of(three_levels)
    with torch.no_grad():
        features = [0.5 * one.expand(2, -1, -1, -1) for one in net(picture())]
    wanted = by_unet(three_levels, rows, {"down_intrablock_additional_residuals": features})
    check(three_levels, rows, act(tmp_path / "sketch", three_levels, 0.5), wanted)


@pytest.fixture(scope="module")
def three_levels(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A Stable Diffusion whose U-Net's last two levels are as wide."""
    from diffusers import UNet2DConditionModel

    folder = write_tiny_sd(tmp_path_factory.mktemp("models") / "three levels")
    UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64, 64),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=32,
        attention_head_dim=4,
        norm_num_groups=8,
    ).save_pretrained(folder / "unet")
    return loaded(folder)


def test_t2i_adapter_of_sdxl(tmp_path: Path) -> None:
    """Its last features are added to the U-Net's middle; a size that is no whole number of its cells is filled up."""
    from diffusers import T2IAdapter, UNet2DConditionModel

    folder = write_tiny_sdxl(tmp_path / "xl")
    kind: Any = UNet2DConditionModel
    kind(
        sample_size=8,
        block_out_channels=(32, 64, 64),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        transformer_layers_per_block=(1, 1, 2),
        cross_attention_dim=L + G,
        attention_head_dim=(2, 4, 4),
        norm_num_groups=8,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=G + 8 * 6,
    ).save_pretrained(folder / "unet")
    xl = loaded(folder)
    kinds: dict[str, Any] = {"adapter_type": "full_adapter_xl", "downscale_factor": 16}
    net: Any = stirred(T2IAdapter(channels=[32, 64, 64, 64], num_res_blocks=1, **kinds))
    net.save_pretrained(tmp_path / "sketch")
    rows, pixels = rows_of(xl, sides=(9, 8), pooled=G), picture(72, 64)
    with torch.no_grad():
        whole = torch.cat([pixels, pixels[:, :, -1:].expand(-1, -1, 8, -1)], 2)
        features = [one.expand(2, -1, -1, -1) for one in net(whole)]
    wanted = by_unet(xl, rows, {"down_intrablock_additional_residuals": features})
    check(xl, rows, act(tmp_path / "sketch", xl, pixels=pixels), wanted)


@pytest.mark.parametrize("zeros", [True, False])
def test_controlnet_of_sd3(three: Any, tmp_path: Path, zeros: bool) -> None:
    """InstantX's are shown latents without the shift and no pooled text."""
    from diffusers import SD3ControlNetModel

    torch.manual_seed(2)
    net: Any = SD3ControlNetModel.from_transformer(three.transformer, num_layers=1, num_extra_conditioning_channels=0)
    net.register_to_config(force_zeros_for_pooled_projection=zeros)
    stirred(net).save_pretrained(tmp_path / "edges")
    net, rows = SD3ControlNetModel.from_pretrained(tmp_path / "edges"), rows_of(three, pooled=L + G)
    with torch.no_grad():
        latents = latents_of(three, shifted=not zeros).expand(2, -1, -1, -1)
        told: dict[str, Any] = {"hidden_states": rows.x, "timestep": 1000 * rows.sigma.float()}
        told["encoder_hidden_states"], pooled = rows.context, rows.extra["pooled"]
        shown = torch.zeros_like(pooled) if zeros else pooled
        (given,) = net(**told, pooled_projections=shown, controlnet_cond=latents, return_dict=False)
        given = [0.5 * one for one in given]
        velocity = three.transformer(
            **told, pooled_projections=pooled, block_controlnet_hidden_states=given, return_dict=False
        )[0]
    wanted = rows.x - rows.sigma.float()[:, None, None, None] * velocity
    check(three, rows, act(tmp_path / "edges", three, 0.5), wanted)


def latents_of(model: Any, *, shifted: bool) -> Tensor:
    """Return the latents of the picture as diffusers' pipelines make them, but for the draw about the mean."""
    z = model.vae.module.encode(picture() * 2 - 1).latent_dist.mode()
    config = model.vae.module.config
    return (z - (config.shift_factor if shifted else 0.0)) * config.scaling_factor


@pytest.mark.filterwarnings("ignore:`FluxPosEmbed`:FutureWarning")
@pytest.mark.parametrize("union", [False, True])
def test_controlnet_of_flux(flux: Any, tmp_path: Path, union: bool) -> None:
    from diffusers import FluxControlNetModel

    torch.manual_seed(2)
    config = {key: flux.transformer.config[key] for key in ("attention_head_dim", "num_attention_heads")}
    config |= {"joint_attention_dim": 40, "pooled_projection_dim": L, "guidance_embeds": True}
    config |= {"num_layers": 1, "num_single_layers": 1, "axes_dims_rope": (4, 6, 6)}
    kind: Any = FluxControlNetModel
    made = kind(**config, num_mode=7 if union else None)
    stirred(made).save_pretrained(tmp_path / "edges")
    net: Any = FluxControlNetModel.from_pretrained(tmp_path / "edges")
    rows = rows_of(flux, pooled=L)
    rows = replace(rows, extra={**rows.extra, "distilled": torch.full((2,), 3.5)})
    with torch.no_grad():
        modes = torch.full((2, 1), 2) if union else None
        told, given = flux_read(flux, rows), latents_of(flux, shifted=True).expand(2, -1, -1, -1)
        double, single = net(**told, controlnet_cond=patches(given), controlnet_mode=modes, return_dict=False)
        kinds = {"controlnet_block_samples": double, "controlnet_single_block_samples": single}
        velocity = flux.transformer(**told, **kinds, return_dict=False)[0]
    velocity = velocity.view(2, 4, 4, 16, 2, 2).permute(0, 3, 1, 4, 2, 5).reshape(2, 16, 8, 8)
    wanted = rows.x - rows.sigma.float()[:, None, None, None] * velocity
    check(flux, rows, act(tmp_path / "edges", flux, kind="depth" if union else ""), wanted)


@pytest.mark.filterwarnings("ignore:`FluxPosEmbed`:FutureWarning")
def test_xlabs_controlnet_of_flux(flux: Any, tmp_path: Path) -> None:
    """It reads pixels; what it gives is given again and again."""
    from diffusers import FluxControlNetModel

    torch.manual_seed(2)
    config: dict[str, Any] = {"attention_head_dim": 16, "num_attention_heads": 2, "joint_attention_dim": 40}
    config |= {"pooled_projection_dim": L, "guidance_embeds": True, "num_layers": 1, "num_single_layers": 0}
    config |= {"axes_dims_rope": (4, 6, 6), "conditioning_embedding_channels": 16, "patch_size": 2}
    kind: Any = FluxControlNetModel
    stirred(kind(**config)).save_pretrained(tmp_path / "edges")
    net: Any = FluxControlNetModel.from_pretrained(tmp_path / "edges")
    rows = rows_of(flux, pooled=L)
    rows = replace(rows, extra={**rows.extra, "distilled": torch.full((2,), 3.5)})
    with torch.no_grad():
        told, pixels = flux_read(flux, rows), (picture() * 2 - 1).expand(2, -1, -1, -1)
        double, _ = net(**told, controlnet_cond=pixels, return_dict=False)
        velocity = flux.transformer(
            **told, controlnet_block_samples=double, controlnet_blocks_repeat=True, return_dict=False
        )[0]
    velocity = velocity.view(2, 4, 4, 16, 2, 2).permute(0, 3, 1, 4, 2, 5).reshape(2, 16, 8, 8)
    wanted = rows.x - rows.sigma.float()[:, None, None, None] * velocity
    check(flux, rows, act(tmp_path / "edges", flux), wanted)


def test_stabilitys_controlnet_of_sd3(three: Any, tmp_path: Path) -> None:
    """It reads no words, and places its picture's patches as the model does."""
    from diffusers import SD3ControlNetModel

    torch.manual_seed(2)
    config: dict[str, Any] = {"sample_size": 8, "num_layers": 2, "attention_head_dim": 16, "num_attention_heads": 2}
    config |= {"joint_attention_dim": None, "use_pos_embed": False, "pooled_projection_dim": L + G}
    kind: Any = SD3ControlNetModel
    stirred(kind(**config, force_zeros_for_pooled_projection=False)).save_pretrained(tmp_path / "edges")
    net: Any = SD3ControlNetModel.from_pretrained(tmp_path / "edges")
    rows = rows_of(three, pooled=L + G)
    with torch.no_grad():
        latents, pooled = latents_of(three, shifted=True).expand(2, -1, -1, -1), rows.extra["pooled"]
        timestep, placed = 1000 * rows.sigma.float(), three.transformer.pos_embed(rows.x)
        (given,) = net(
            hidden_states=placed,
            timestep=timestep,
            pooled_projections=pooled,
            controlnet_cond=latents,
            return_dict=False,
        )
        velocity = three.transformer(
            hidden_states=rows.x,
            timestep=timestep,
            encoder_hidden_states=rows.context,
            pooled_projections=pooled,
            block_controlnet_hidden_states=given,
            return_dict=False,
        )[0]
    wanted = rows.x - rows.sigma.float()[:, None, None, None] * velocity
    check(three, rows, act(tmp_path / "edges", three), wanted)


def test_inpainting_controlnet_of_sd3_reads_where_the_hole_is(three: Any, tmp_path: Path) -> None:
    from diffusers import SD3ControlNetModel

    torch.manual_seed(2)
    net: Any = SD3ControlNetModel.from_transformer(three.transformer, num_layers=1, num_extra_conditioning_channels=1)
    stirred(net).save_pretrained(tmp_path / "paint")
    with pytest.raises(Unsupported, match="for inpainting"):
        act(tmp_path / "paint", three)
    hole = torch.zeros(1, 1, 64, 64)
    hole[..., 32:] = 1
    given = act(tmp_path / "paint", three, hole=hole)
    net = SD3ControlNetModel.from_pretrained(tmp_path / "paint")
    masked = torch.where(hole > 0.5, 0.0, picture())
    with torch.no_grad():
        z = three.vae.module.encode(masked * 2 - 1).latent_dist.mode()
        config = three.vae.module.config
        latents = (z - config.shift_factor) * config.scaling_factor
        kept = torch.cat([torch.ones(1, 1, 8, 4), torch.zeros(1, 1, 8, 4)], 3)
        wanted = net.pos_embed_input(torch.cat([latents, kept], 1))
    torch.testing.assert_close(given.prepared.embedded[0], wanted[0], **CLOSE)


def flux_read(flux: Any, rows: Rows) -> dict[str, Any]:
    """Return what diffusers' pipeline gives the transformer and a ControlNet of Flux alike."""
    places = torch.zeros(4, 4, 3)
    places[..., 1] += torch.arange(4)[:, None]
    places[..., 2] += torch.arange(4)[None]
    return {
        "hidden_states": patches(rows.x),
        "timestep": rows.sigma.float(),
        "guidance": rows.extra["distilled"],
        "pooled_projections": rows.extra["pooled"],
        "encoder_hidden_states": rows.context,
        "txt_ids": torch.zeros(rows.context.shape[1], 3),
        "img_ids": places.view(-1, 3),
    }


def patches(x: Tensor) -> Tensor:
    """Return latents (n, 16, 8, 8) as diffusers packs them."""
    return x.view(-1, 16, 4, 2, 4, 2).permute(0, 2, 4, 1, 3, 5).reshape(-1, 16, 64)
