"""The CLIP stage: both towers on the deck's scenes (Radford et al. 2021), painted once, at the tower's side.

Captions of a scene are taken in turn. Besides whole captions the picture tower learns to name the one subject of plain
scenes in both languages, from the middle of the stage on. Knows no latents.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from easel.training.embedded.growing import begin_with
from easel.training.embedded.speed import Pace, flops_of
from easel.training.embedded.workshop import SEED, STATE, Workshop, numbers
from easel.training.learning.loop import Losses, progress, train
from easel.training.learning.objectives import contrastive
from easel.training.networks.export import load
from easel.training.networks.towers import LARGEST_SCALE, Towers, picture_features, shrink, text_features
from easel.training.world.deck import NOTHING, Deck
from easel.training.world.scenes import generator

NAMING_FROM = 0.4  # share of the stage after which names are practised too


def tokens_for(deck: Deck, rows: torch.Tensor, turn: int) -> torch.Tensor:
    """Tokens (B, L) of one caption of each row, L the longest of them: what follows the end is never seen."""
    tokens = deck.tokens[rows, turn % deck.tokens.shape[1]].long()
    end = int(tokens.argmax(-1).max())  # the end's number is the largest of the vocabulary
    return tokens[:, : end + 1]


@torch.no_grad()
def painted(shop: Workshop, count: int, side: int, unseen: bool = False) -> torch.Tensor:
    """The first `count` scenes as (count, 3, side, side) uint8 on the device, painted larger and shrunk.

    Judges shrink whole pictures, and a tower that has practised on pictures painted small sees those badly.
    """
    deck = shop.unseen if unseen else shop.deck
    large = (shop.pictures(rows, (2 * side, 2 * side), unseen) for rows in numbers(deck, count, 256))
    return torch.cat([((shrink(part, side) + 1) * 127.5).round().to(torch.uint8) for part in large])


def lone(deck: Deck) -> torch.Tensor:
    """Whether a scene shows one thing in a whole picture, (N,)."""
    return (deck.subject[:, 1] == NOTHING) & (deck.damage == 0)


def make_losses(shop: Workshop, towers: Towers, pace: Pace | None = None) -> Callable[[int], Losses]:
    """The loss as a function of the step."""
    config, plan, device = shop.recipe.clip, shop.recipe.clip_plan, shop.device
    pool = painted(shop, min(config.pool, len(shop.deck)), config.side)
    whole = lone(shop.deck)
    vision = torch.compile(towers.vision) if shop.fast else towers.vision

    def losses(step: int) -> Losses:
        drawn = generator(SEED, 1, step).choice(len(pool), min(config.batch, len(pool)), replace=False)
        rows = torch.from_numpy(drawn).to(device)
        tokens = tokens_for(shop.deck, rows, step)
        batch = pool[rows].float() / 127.5 - 1
        with torch.autocast(device.type, torch.bfloat16):
            text = towers.text(tokens).text_embeds
            seen = vision(batch).image_embeds
        loss, right = contrastive(text.float(), seen.float(), towers.scale.clamp(max=LARGEST_SCALE))
        found = {"loss": loss, "right": right, "scale": towers.scale.detach().exp()}
        late = plan.steps is not None and progress(plan, step, 0) > NAMING_FROM
        if late or (plan.steps is None and step % 4 == 3):
            chosen = whole[rows].nonzero().flatten()
            names = names_of(shop, towers, step % 8 < 4)
            logits = towers.scale.exp().clamp(max=100) * F.normalize(seen[chosen].float(), dim=-1) @ names.T
            wanted = shop.deck.subject[rows[chosen], 0].long()
            found |= {"loss": loss + F.cross_entropy(logits, wanted), "named": hit(logits, wanted)}
        if pace is not None:
            pace.step()
        return found

    return losses


def hit(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The share of rows whose best is the wanted one."""
    return (logits.argmax(-1) == wanted).float().mean()


def names_of(shop: Workshop, towers: Towers, english: bool) -> torch.Tensor:
    """Unit vectors (N, projection) of the subjects' usual names, which do not learn from this."""
    names = [s.english[0].lstrip("~") if english else s.korean[0] for s in shop.subjects]
    with torch.autocast(shop.device.type, torch.bfloat16):
        return text_features(towers, shop.tokenizer, names)


@torch.no_grad()
def naming(shop: Workshop, towers: Towers, count: int = 512) -> dict[str, float]:
    """How often unseen plain scenes with one thing are named right among all subjects: top 1 and 5, each language."""
    rows = lone(shop.unseen).nonzero().flatten()[:count]
    seen = torch.cat([picture_features(towers, shop.pictures(some, unseen=True)) for some in rows.split(64)])
    wanted = shop.unseen.subject[rows, 0].long()
    report = {}
    for language in ("en", "ko"):
        order = (seen @ names_of(shop, towers, language == "en").T).topk(min(5, len(shop.subjects)), -1).indices
        report[f"{language}_top1"] = float((order[:, 0] == wanted).float().mean())
        report[f"{language}_top5"] = float((order == wanted[:, None]).any(-1).float().mean())
    return report


def train_clip(shop: Workshop) -> Towers:
    """Trains (or goes on training) the pair; begins from an exported one that fits."""
    torch.manual_seed(SEED)
    config = shop.recipe.clip
    towers = Towers(config, len(shop.tokenizer))
    if shop.start is not None and not (shop.out / "clip" / STATE).is_file():
        begin_with(towers, load(shop.start)[1].state_dict())
    towers = towers.to(shop.device)
    one = torch.zeros(1, 3, config.side, config.side, device=shop.device)
    words = shop.deck.tokens[:1, 0].long()
    flops = flops_of(lambda: (towers.vision(one), towers.text(words)))
    pace = Pace(shop.device, config.batch, flops * config.batch)

    def sheet(step: int) -> None:
        scores = "  ".join(f"{name} {value:.3f}" for name, value in naming(shop, towers).items())
        print(f"clip step {step}: {scores}; {pace.words}", flush=True)

    train(towers, make_losses(shop, towers, pace), shop.recipe.clip_plan, shop.out / "clip", sheet)
    return towers
