"""The CLIP pair: a text tower and a picture tower that agree on what a scene shows (Radford et al. 2021).

The text tower then conditions the base model; the picture tower serves search, scoring and picture prompts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
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

from easel.training.captions import caption
from easel.training.data import compose, paint
from easel.training.loop import Losses, Plan, train
from easel.training.objectives import contrastive
from easel.training.scenes import Scene, draw_scene, generator
from easel.training.subjects import Subject
from easel.training.tokenizer import CONTEXT

TRAIN_SEED = 23
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
    pool: int = 24_000  # pictures composed beforehand; their captions are drawn anew each time


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


def tokenize(tokenizer: CLIPTokenizer, texts: Sequence[str], whole: bool) -> torch.Tensor:
    """Token numbers (B, L): L is 77 when `whole`, else the batch's longest (what follows the end is never seen)."""
    padding = "max_length" if whole else "longest"
    out = tokenizer(list(texts), padding=padding, max_length=CONTEXT, truncation=True, return_tensors="pt")
    return out["input_ids"]


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


def make_pool(
    levels: list[torch.Tensor], subjects: Sequence[Subject], config: ClipConfig
) -> tuple[torch.Tensor, list[Scene]]:
    """Compositions at the tower's side, (pool, 3, side, side) uint8, and their scenes."""
    pictures = torch.empty(config.pool, 3, config.side, config.side, dtype=torch.uint8)
    scenes = [draw_scene(generator(TRAIN_SEED, n), len(subjects)) for n in range(config.pool)]
    for first in range(0, config.pool, 64):
        part = paint(levels, scenes[first : first + 64])
        pictures[first : first + 64] = ((shrink(part, config.side) + 1) * 127.5).round().to(torch.uint8).cpu()
    return pictures, scenes


def draw_batch(
    rng: np.random.Generator,
    pictures: torch.Tensor,
    scenes: Sequence[Scene],
    tokenizer: CLIPTokenizer,
    subjects: Sequence[Subject],
    config: ClipConfig,
    device: torch.device,
) -> tuple[np.ndarray, torch.Tensor, torch.Tensor]:
    """A step's rows of the pool (B,), tokens of their captions, said anew, and pictures (B, 3, side, side) in -1..1."""
    rows = rng.choice(config.pool, min(config.batch, config.pool), replace=False)
    tokens = tokenize(tokenizer, [caption(scenes[n], subjects, rng) for n in rows], whole=False).to(device)
    return rows, tokens, pictures[torch.from_numpy(rows)].to(device).float() / 127.5 - 1


def make_losses(
    towers: Towers,
    tokenizer: CLIPTokenizer,
    levels: list[torch.Tensor],
    subjects: Sequence[Subject],
    config: ClipConfig,
) -> Callable[[int], Losses]:
    """The loss as a function of the step."""
    pictures, scenes = make_pool(levels, subjects, config)
    device = levels[0].device

    def losses(step: int) -> Losses:
        rng = generator(TRAIN_SEED, 1, step)
        _, tokens, batch = draw_batch(rng, pictures, scenes, tokenizer, subjects, config, device)
        with torch.autocast(device.type, torch.bfloat16):
            text = towers.text(tokens).text_embeds
            vision = towers.vision(batch).image_embeds
        loss, right = contrastive(text.float(), vision.float(), towers.scale.clamp(max=LARGEST_SCALE))
        return {"loss": loss, "right": right, "scale": towers.scale.detach().exp()}

    return losses


@torch.no_grad()
def naming(
    towers: Towers,
    tokenizer: CLIPTokenizer,
    levels: list[torch.Tensor],
    subjects: Sequence[Subject],
    seed: int = 99,
    count: int = 256,
) -> dict[str, float]:
    """How often the towers name the subject of an unseen one-subject composition among all subjects, top 1 and 5."""
    examples = compose(levels, subjects, seed, range(2 * count))
    rows = [n for n, scene in enumerate(examples.scenes) if len(scene.sprites) == 1][:count]
    wanted = torch.tensor([examples.scenes[n].sprites[0].subject for n in rows])
    seen = picture_features(towers, examples.pictures[rows])
    report = {}
    for language, names in (
        ("en", [f"a {s.english[0].lstrip('~')}" for s in subjects]),
        ("ko", [s.korean[0] for s in subjects]),
    ):
        best = (seen @ text_features(towers, tokenizer, names).T).topk(min(5, len(subjects)), -1).indices.cpu()
        hits = best == wanted[:, None]
        report[f"{language}_top1"] = float(hits[:, 0].float().mean())
        report[f"{language}_top5"] = float(hits.any(-1).float().mean())
    return report


def train_clip(
    levels: list[torch.Tensor],
    subjects: Sequence[Subject],
    tokenizer: CLIPTokenizer,
    config: ClipConfig,
    plan: Plan,
    folder: Path,
) -> Towers:
    """Trains (or goes on training) the pair in `folder`."""
    torch.manual_seed(TRAIN_SEED)
    towers = Towers(config, len(tokenizer)).to(levels[0].device)

    def sheet(step: int) -> None:
        scores = naming(towers, tokenizer, levels, subjects, count=64)
        print(f"step {step}: " + "  ".join(f"{k} {v:.2f}" for k, v in scores.items()), flush=True)

    losses = make_losses(towers, tokenizer, levels, subjects, config)
    train(towers, losses, plan, folder, sheet)
    return towers
