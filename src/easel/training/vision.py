"""Goes on with CLIP's picture tower alone, against the frozen text tower, while the base model trains.

Besides whole captions it learns to name the one subject of a picture among all subjects, in both languages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import CLIPTokenizer

from easel.training.clip import ClipConfig, Towers, draw_batch, make_pool, naming, text_features
from easel.training.loop import Losses, Plan, train
from easel.training.objectives import contrastive
from easel.training.scenes import generator
from easel.training.subjects import Subject

SEED = 29


def make_losses(
    towers: Towers,
    tokenizer: CLIPTokenizer,
    levels: list[torch.Tensor],
    subjects: Sequence[Subject],
    config: ClipConfig,
) -> Callable[[int], Losses]:
    """The loss as a function of the step; the text tower and the temperature stay as they are."""
    pictures, scenes = make_pool(levels, subjects, config)
    device = levels[0].device
    names = [
        text_features(towers, tokenizer, [subject.english[0].lstrip("~") for subject in subjects]),
        text_features(towers, tokenizer, [subject.korean[0] for subject in subjects]),
    ]
    scale = towers.scale.detach()

    def losses(step: int) -> Losses:
        rng = generator(SEED, 1, step)
        rows, tokens, batch = draw_batch(rng, pictures, scenes, tokenizer, subjects, config, device)
        with torch.autocast(device.type, torch.bfloat16):
            with torch.no_grad():
                text = towers.text(tokens).text_embeds
            vision = towers.vision(batch).image_embeds
        agreed, right = contrastive(text.float(), vision.float(), scale)
        single = [place for place, n in enumerate(rows) if len(scenes[n].sprites) == 1]
        wanted = torch.tensor([scenes[rows[place]].sprites[0].subject for place in single], device=device)
        seen = F.normalize(vision[single].float(), dim=-1)
        logits = scale.exp() * seen @ names[step % 2].T
        named = (logits.argmax(-1) == wanted).float().mean()
        return {"loss": agreed + F.cross_entropy(logits, wanted), "right": right, "named": named}

    return losses


def train_vision(
    levels: list[torch.Tensor],
    subjects: Sequence[Subject],
    tokenizer: CLIPTokenizer,
    towers: Towers,
    config: ClipConfig,
    plan: Plan,
    folder: Path,
) -> Towers:
    """Trains (or goes on training) the picture tower of a trained pair in `folder`."""
    towers.text.requires_grad_(False)
    towers.scale.requires_grad_(False)

    def sheet(step: int) -> None:
        scores = naming(towers, tokenizer, levels, subjects, count=64)
        print(f"step {step}: " + "  ".join(f"{k} {v:.2f}" for k, v in scores.items()), flush=True)

    losses = make_losses(towers, tokenizer, levels, subjects, config)
    train(towers, losses, plan, folder, sheet)
    return towers
