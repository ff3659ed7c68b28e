"""The picture tower goes on alone, held to the frozen text tower (Zhai et al. 2022), with every caption and every name.

Naming the one thing of a picture says more than telling captions apart does: one of a few hundred at each step, instead
of one of those that chance has put together. What the base model is led by stays as it is. Knows nothing of that model.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from easel.training.embedded.clip import hit, lone, names_of, naming, painted, tokens_for
from easel.training.embedded.workshop import SEED, Workshop, trained_towers
from easel.training.learning.loop import Losses, train
from easel.training.learning.objectives import contrastive
from easel.training.networks.towers import LARGEST_SCALE, Towers
from easel.training.world.scenes import generator


def make_losses(shop: Workshop, towers: Towers) -> Callable[[int], Losses]:
    """The loss as a function of the step; the text tower and the temperature stay as they are."""
    config, device = shop.recipe.clip, shop.device
    pool, whole = painted(shop, len(shop.deck), config.side), lone(shop.deck)
    names = [names_of(shop, towers, english) for english in (True, False)]
    scale = towers.scale.detach().clamp(max=LARGEST_SCALE)

    def losses(step: int) -> Losses:
        drawn = generator(SEED, 8, step).choice(len(pool), min(config.batch, len(pool)), replace=False)
        rows = torch.from_numpy(drawn).to(device)
        batch = pool[rows].float() / 127.5 - 1
        with torch.autocast(device.type, torch.bfloat16):
            with torch.no_grad():
                text = towers.text(tokens_for(shop.deck, rows, step)).text_embeds
            seen = towers.vision(batch).image_embeds
        agreed, right = contrastive(text.float(), seen.float(), scale)
        chosen = whole[rows].nonzero().flatten()
        logits = scale.exp() * F.normalize(seen[chosen].float(), dim=-1) @ names[step % 2].T
        wanted = shop.deck.subject[rows[chosen], 0].long()
        return {"loss": agreed + F.cross_entropy(logits, wanted), "right": right, "named": hit(logits, wanted)}

    return losses


def train_vision(shop: Workshop) -> Towers:
    """Trains (or goes on training) the picture tower of the trained pair."""
    towers = trained_towers(shop)
    towers.text.requires_grad_(False)
    towers.scale.requires_grad_(False)

    def sheet(step: int) -> None:
        scores = "  ".join(f"{name} {value:.3f}" for name, value in naming(shop, towers).items())
        print(f"vision step {step}: {scores}", flush=True)

    train(towers, make_losses(shop, towers), shop.recipe.vision_plan, shop.out / "vision", sheet)
    return towers
