"""Networks of full size in the memory of small cards, as arithmetic: no numbers, but every byte they would take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from easel.models.accelerate import residency_for
from easel.models.files.packed import Packed
from easel.models.files.packed_layers import keep, keeps
from easel.models.memory.moving import size_of, tensors_of
from easel.models.memory.room import TILES, decoding_bytes, portion, smaller_tile
from tests.counting import Alive, CountingDevice, Watch, homes_of

GB = 10**9
bfloat16 = torch.bfloat16
SDXL = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": 2048,
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}


def built(make: Callable[[], Any]) -> Any:
    """A network without numbers, of bfloat16."""
    torch.set_default_dtype(bfloat16)
    try:
        with torch.device("meta"):
            return make().requires_grad_(False)
    finally:
        torch.set_default_dtype(torch.float32)


def empty(*shape: int) -> Tensor:
    return torch.empty(shape, dtype=bfloat16, device="meta")


def clip(width: int, layers: int) -> nn.Module:
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    sizes: dict[str, Any] = {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": layers}
    config = CLIPTextConfig(**sizes, projection_dim=width, num_attention_heads=width // 64, vocab_size=49408)
    return built(lambda: CLIPTextModelWithProjection(config))


def autoencoder(**changes: Any) -> Any:
    from diffusers import AutoencoderKL

    sizes = {
        "block_out_channels": (128, 256, 512, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 2,
        "latent_channels": 4,
    }
    return built(lambda: AutoencoderKL(**{**sizes, **changes}))


def low_bit(part: nn.Module) -> nn.Module:
    """The same network with its layers in float8."""
    for layer in part.modules():
        if keeps(layer):
            shape = tuple(layer.weight.shape)  # type: ignore[arg-type]
            keep(layer, Packed("F8_E4M3", shape, {"codes": empty(*shape).to(torch.float8_e4m3fn)}), bfloat16)
    return part


class Card:
    """A card of so many bytes, with Easel's own division of it."""

    def __init__(self, total: int) -> None:
        self.device = CountingDevice(total)
        self.residency = residency_for(self.device, f"{total}B")
        self.device.capacity = self.residency.budget  # weights may take no more, whatever else is free
        self.total = total

    def run(self, part: nn.Module, call: Any) -> tuple[int, int]:
        """Compute twice with a part; return what the second time had to move, and what forwards keep beside weights."""
        watch = Watch(homes_of(part))
        for _ in range(2):
            before = self.device.moved
            with torch.inference_mode(), self.residency.using(part), watch:
                call()
        moved = self.device.moved - before
        with torch.inference_mode(), Alive() as alive:
            call()
        return moved, alive.peak


def test_sdxl_in_4_gb() -> None:
    """1024 x 1024 with guidance: both text encoders, the U-Net block by block, the decode in tiles."""
    from diffusers import UNet2DConditionModel

    card = Card(4 * GB)
    encoders = [clip(768, 12), clip(1280, 32)]
    with card.residency.using(*encoders):
        assert card.residency.there == size_of(tensor for one in encoders for tensor in tensors_of(one))
    unet: Any = built(lambda: UNet2DConditionModel(**SDXL))
    assert size_of(tensors_of(unet)) > 5.1 * GB
    conditioning = {"text_embeds": empty(2, 1280), "time_ids": empty(2, 6)}
    rows = (empty(2, 4, 128, 128), empty(2), empty(2, 77, 2048))
    moved, alive = card.run(unet, lambda: unet(*rows, added_cond_kwargs=conditioning))
    assert moved < 0.55 * size_of(tensors_of(unet))  # what fits stays from step to step
    assert card.device.peak + alive < 0.9 * card.total
    vae = autoencoder()
    with card.residency.using(vae):
        room = card.residency.room(vae)
        assert portion(vae, 4, 1024, 1024, itemsize=2, room=room) == (1, 768)
        assert portion(vae, 4, 512, 512, itemsize=2, room=room) == (2, 0)
        assert decoding_bytes(vae, 768, 768, 2) + card.residency.there < card.total


def test_flux_in_8_gb() -> None:
    """1024 x 1024 with float8 files: T5, the transformer block by block, the decode whole."""
    from diffusers import FluxTransformer2DModel
    from transformers import T5Config, T5EncoderModel

    card = Card(8 * GB)
    sizes = T5Config(d_model=4096, d_ff=10240, num_layers=24, num_heads=64, d_kv=64, feed_forward_proj="gated-gelu")
    t5 = low_bit(built(lambda: T5EncoderModel(sizes)))
    with card.residency.using(t5, clip(768, 12)):
        assert card.residency.there > 4.5 * GB  # both whole
    transformer: Any = low_bit(built(lambda: FluxTransformer2DModel(guidance_embeds=True)))
    assert 11.8 * GB < size_of(tensors_of(transformer)) < 12 * GB
    rows = {
        "hidden_states": empty(1, 4096, 64),
        "encoder_hidden_states": empty(1, 512, 4096),
        "pooled_projections": empty(1, 768),
        "timestep": empty(1),
        "guidance": empty(1),
        "img_ids": empty(4096, 3),
        "txt_ids": empty(512, 3),
    }
    moved, alive = card.run(transformer, lambda: transformer(**rows))
    assert moved < 0.6 * size_of(tensors_of(transformer))
    assert card.device.peak + alive < 0.9 * card.total
    vae = autoencoder(latent_channels=16)
    with card.residency.using(vae):
        assert portion(vae, 1, 1024, 1024, itemsize=2, room=card.residency.room(vae)) == (1, 0)


@pytest.mark.parametrize("side", [256, 512, 1024])
def test_the_estimate_of_a_decode_is_what_it_keeps_and_a_quarter(side: int) -> None:
    vae = autoencoder()
    z = empty(1, 4, side // 8, side // 8)
    with torch.inference_mode(), Alive() as alive:
        vae.decode(z)
    assert alive.peak <= decoding_bytes(vae, side, side, 2) <= 1.3 * alive.peak


def test_the_estimate_of_a_tiny_autoencoder() -> None:
    from diffusers import AutoencoderTiny

    vae = built(AutoencoderTiny)
    with torch.inference_mode(), Alive() as alive:
        vae.decode(empty(1, 4, 64, 64))
    assert alive.peak <= decoding_bytes(vae, 512, 512, 2) <= 2 * alive.peak


def test_portions() -> None:
    vae = autoencoder()
    one = decoding_bytes(vae, 1024, 1024, 2)
    assert portion(vae, 8, 1024, 1024, itemsize=2, room=3 * one) == (3, 0)
    assert portion(vae, 2, 1024, 1024, itemsize=2, room=3 * one) == (2, 0)
    assert portion(vae, 8, 1024, 1024, itemsize=2, room=one - 1) == (1, 768)
    assert portion(vae, 8, 1024, 512, itemsize=2, room=0) == (1, TILES[-1])
    assert portion(vae, 8, 256, 256, itemsize=2, room=0) == (1, 0)  # nothing smaller to try; the failure will tell


def test_smaller_tiles() -> None:
    tiles = [0]
    while (tile := smaller_tile(tiles[-1], 1024)) is not None:
        tiles.append(tile)
    assert tiles == [0, 768, 512, 384, 256]
    assert smaller_tile(0, 256) is None
