"""The CLIP pair: a text tower and a picture tower that agree on what a scene shows (Radford et al. 2021).

The text tower then conditions the base model; the picture tower serves search, scoring and picture prompts. Knows
neither scenes nor how the towers learn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from easel.training.networks.tokenizer import CONTEXT, tokenize

LARGEST_SCALE = math.log(100)


@dataclass(frozen=True)
class ClipConfig:
    """The towers' sizes and how they are trained."""

    text_width: int = 256
    text_layers: int = 4
    vision_width: int = 192
    vision_layers: int = 4
    side: int = 64  # pixels the picture tower sees
    patch: int = 8
    projection: int = 256
    batch: int = 256
    pool: int = 24_000  # pictures painted beforehand


class Towers(nn.Module):
    """Both towers and the temperature of their agreement."""

    def __init__(self, config: ClipConfig, vocabulary: int) -> None:
        super().__init__()
        self.text = CLIPTextModelWithProjection(
            CLIPTextConfig(
                vocab_size=vocabulary,
                hidden_size=config.text_width,
                intermediate_size=4 * config.text_width,
                projection_dim=config.projection,
                num_hidden_layers=config.text_layers,
                num_attention_heads=max(1, config.text_width // 64),
                max_position_embeddings=CONTEXT,
                hidden_act="gelu",
                bos_token_id=vocabulary - 2,
                eos_token_id=vocabulary - 1,
                pad_token_id=vocabulary - 1,
            )
        )
        self.vision = CLIPVisionModelWithProjection(
            CLIPVisionConfig(
                hidden_size=config.vision_width,
                intermediate_size=4 * config.vision_width,
                projection_dim=config.projection,
                num_hidden_layers=config.vision_layers,
                num_attention_heads=max(1, config.vision_width // 64),
                image_size=config.side,
                patch_size=config.patch,
                hidden_act="gelu",
            )
        )
        self.scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    @classmethod
    def of(
        cls, text: CLIPTextModel, vision: CLIPVisionModelWithProjection, projection: torch.Tensor, scale: float
    ) -> Towers:
        """The pair put together from exported parts; `projection` is (projection, text width)."""
        towers = cls.__new__(cls)
        nn.Module.__init__(towers)
        towers.text = CLIPTextModelWithProjection(text.config)
        towers.text.text_model.load_state_dict(text.state_dict())
        towers.text.text_projection.weight = nn.Parameter(projection)
        towers.vision = vision
        towers.scale = nn.Parameter(torch.tensor(scale))
        return towers


def shrink(pictures: torch.Tensor, side: int) -> torch.Tensor:
    """Pictures (B, 3, H, W) at the picture tower's side, area-filtered."""
    return F.interpolate(pictures, size=side, mode="area")


@torch.no_grad()
def text_features(towers: Towers, tokenizer: CLIPTokenizer, texts: Sequence[str]) -> torch.Tensor:
    """Unit vectors (B, projection) of texts."""
    tokens = tokenize(tokenizer, texts, whole=False).to(towers.scale.device)
    return F.normalize(towers.text(tokens).text_embeds.float(), dim=-1)


@torch.no_grad()
def picture_features(towers: Towers, pictures: torch.Tensor) -> torch.Tensor:
    """Unit vectors (B, projection) of pictures (B, 3, H, W) in -1..1."""
    side = towers.vision.config.image_size
    return F.normalize(towers.vision(shrink(pictures, side)).image_embeds.float(), dim=-1)
