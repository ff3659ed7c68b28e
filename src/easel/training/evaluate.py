"""Measures the starter: does the picture show what the words say?

Two judges that do not share weights: the model's own CLIP, and a comparison of the drawn pixels with every glyph.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTokenizer

from easel.training.autoencoder import measure_psnr
from easel.training.base import SCALE, draw
from easel.training.captions import english, korean
from easel.training.clip import Towers, picture_features, text_features
from easel.training.data import over, paint
from easel.training.scenes import BACKGROUNDS, PAIR_SIZE, Scene, Sprite, generator, pick
from easel.training.sheet import write_sheet
from easel.training.subjects import Subject

SEED = 4242
GLYPH = 32  # pixels at which shapes are compared
FOREGROUND = 0.12  # distance from the background, of 1, at which a pixel belongs to the subject
BATCH = 20
Report = dict[str, float]


@dataclass(frozen=True)
class Trial:
    """One prompt of the examination and what it asks for."""

    prompt: str
    scene: Scene
    language: str


def make_trials(subjects: Sequence[Subject], count: int) -> list[Trial]:
    """`count` prompts, half English and half Korean, 30 % with two subjects, half with a background said."""
    trials = []
    drawn = [n for n, subject in enumerate(subjects) if subject.drawn]
    order = generator(SEED).permutation(drawn)
    for n in range(count):
        rng = generator(SEED, n)
        first = int(order[n % len(drawn)])
        said = bool(rng.random() < 0.5)
        background = pick(rng, tuple(BACKGROUNDS)) if said else "white"
        sprites: tuple[Sprite, ...] = (Sprite(first),)
        if n % 10 in (2, 5, 8):
            second = int(rng.choice([s for s in drawn if s != first]))
            left = Sprite(first, size=PAIR_SIZE, centre=(0.25, 0.5))
            sprites = (left, Sprite(second, size=PAIR_SIZE, centre=(0.75, 0.5)))
        scene = Scene(sprites, background, BACKGROUNDS[background], said)
        language = "en" if n % 2 == 0 else "ko"
        trials.append(Trial((english if language == "en" else korean)(scene, subjects, rng), scene, language))
    return trials


def border_colour(pictures: torch.Tensor, width: int = 4) -> torch.Tensor:
    """The median colour (B, 3) of the pictures' borders, the background as painted; pictures are in -1..1."""
    rows = [pictures[..., :width, :], pictures[..., -width:, :]]
    columns = [pictures[..., :width].transpose(2, 3), pictures[..., -width:].transpose(2, 3)]
    border = torch.cat([part.flatten(2) for part in (*rows, *columns)], -1)
    return border.median(-1).values


def nearest_background(pictures: torch.Tensor) -> list[str]:
    """The name of the background colour nearest to each picture's border."""
    names = list(BACKGROUNDS)
    table = torch.tensor([BACKGROUNDS[name] for name in names]) * 2 - 1
    return [names[int(n)] for n in torch.cdist(border_colour(pictures).cpu(), table).argmin(-1)]


def crop_subject(picture: torch.Tensor, colour: torch.Tensor) -> torch.Tensor:
    """What differs from the background `colour` (3,), cropped, padded to a square, (3, GLYPH, GLYPH).

    Differences are averaged over 5x5 pixels and a row or column needs three of them, so that a speckle, which every
    decoder leaves, does not stretch the crop to the whole picture.
    """
    difference = (picture - colour[:, None, None]).abs().amax(0)
    mask = F.avg_pool2d(F.pad(difference[None, None], (2, 2, 2, 2), mode="replicate"), 5, 1)[0, 0] > 2 * FOREGROUND
    rows, columns = (mask.sum(1) > 2).nonzero().flatten(), (mask.sum(0) > 2).nonzero().flatten()
    if len(rows) < 4 or len(columns) < 4:
        return colour[:, None, None].expand(3, GLYPH, GLYPH)
    crop = picture[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = crop.shape[1:]
    side = max(height, width)
    square = colour[:, None, None].expand(3, side, side).clone()
    y, x = (side - height) // 2, (side - width) // 2
    square[:, y : y + height, x : x + width] = crop
    return F.interpolate(square[None], size=GLYPH, mode="area")[0]


def rank_glyphs(pictures: torch.Tensor, atlas: torch.Tensor) -> torch.Tensor:
    """Subjects by distance (B, N), nearest first: the drawn subject against every glyph and its mirror image."""
    colours = border_colour(pictures)
    orders = []
    for picture, colour in zip(pictures, colours, strict=True):
        drawn = crop_subject(picture, colour)
        shown = over(atlas, ((colour + 1) / 2).view(1, 3, 1, 1).expand(len(atlas), 3, *atlas.shape[2:])) * 2 - 1
        glyphs = torch.stack([crop_subject(glyph, colour) for glyph in shown])
        straight = (glyphs - drawn).square().mean((1, 2, 3))
        mirrored = (glyphs.flip(-1) - drawn).square().mean((1, 2, 3))
        orders.append(torch.minimum(straight, mirrored).argsort())
    return torch.stack(orders).cpu()


def rank_names(
    pictures: torch.Tensor, towers: Towers, tokenizer: CLIPTokenizer, subjects: Sequence[Subject]
) -> torch.Tensor:
    """Subjects by likeness (B, N), likest first, to the model's own CLIP; a name counts in both languages."""
    english_names = text_features(towers, tokenizer, [s.english[0].lstrip("~") for s in subjects])
    korean_names = text_features(towers, tokenizer, [s.korean[0] for s in subjects])
    names = F.normalize(english_names + korean_names, dim=-1)
    return (picture_features(towers, pictures) @ names.T).argsort(-1, descending=True).cpu()


def halves(pictures: torch.Tensor) -> torch.Tensor:
    """The middle left and middle right quarters, where a pair stands, at full size (2 B, 3, H, W), lefts first."""
    height, width = pictures.shape[-2:]
    middle = pictures[..., height // 4 : height - height // 4, :]
    parts = torch.cat([middle[..., : width // 2], middle[..., width // 2 :]])
    return F.interpolate(parts, size=(height, width), mode="bilinear")


def hits(order: torch.Tensor, wanted: torch.Tensor, top: int) -> torch.Tensor:
    """Whether `wanted` (B,) is among the first `top` of each order (B, N)."""
    return (order[:, :top] == wanted[:, None]).any(-1)


def share(truth: torch.Tensor | Sequence[bool]) -> float:
    """The share that is true, rounded; 0 of none."""
    values = torch.as_tensor(truth, dtype=torch.float32)
    return round(float(values.mean()), 4) if len(values) else 0.0


def judge(
    pictures: torch.Tensor,
    trials: Sequence[Trial],
    towers: Towers,
    tokenizer: CLIPTokenizer,
    atlas: torch.Tensor,
    subjects: Sequence[Subject],
) -> Report:
    """Shares of pictures that show what their prompts ask for."""
    report: Report = {}
    painted = nearest_background(pictures)
    right = [trial.scene.background == name for trial, name in zip(trials, painted, strict=True)]
    report["background_said"] = share([r for r, t in zip(right, trials, strict=True) if t.scene.background_said])
    report["background_unsaid_white"] = share(
        [r for r, t in zip(right, trials, strict=True) if not t.scene.background_said]
    )
    single = [n for n, trial in enumerate(trials) if len(trial.scene.sprites) == 1]
    wanted = torch.tensor([trials[n].scene.sprites[0].subject for n in single])
    orders = {
        "clip": rank_names(pictures[single], towers, tokenizer, subjects),
        "glyph": rank_glyphs(pictures[single], atlas),
    }
    for judge_name, order in orders.items():
        for top in (1, 5):
            found = hits(order, wanted, top)
            report[f"{judge_name}_top{top}"] = share(found)
            for language in ("en", "ko"):
                chosen = [row for row, n in enumerate(single) if trials[n].language == language]
                report[f"{judge_name}_top{top}_{language}"] = share(found[chosen])
    pairs = [n for n, trial in enumerate(trials) if len(trial.scene.sprites) == 2]
    if pairs:
        wanted = torch.tensor([trials[n].scene.sprites[side].subject for side in (0, 1) for n in pairs])
        parts = halves(pictures[pairs])
        both = {
            "clip": rank_names(parts, towers, tokenizer, subjects),
            "glyph": rank_glyphs(parts, atlas),
        }
        for judge_name, order in both.items():
            for top in (1, 5):
                report[f"both_{judge_name}_top{top}"] = share(hits(order, wanted, top).view(2, -1).all(0))
    return report


def evaluate(
    tokenizer: CLIPTokenizer,
    towers: Towers,
    autoencoder: AutoencoderKL,
    unet: UNet2DConditionModel,
    levels: list[torch.Tensor],
    subjects: Sequence[Subject],
    count: int,
    out: Path,
    steps: int = 20,
    scale: float = SCALE,
) -> dict[str, Report]:
    """Examines the model with `count` prompts; writes evaluation.json and evaluation.png to `out`.

    "drawn" are the model's pictures; "painted" are the true compositions, so what the judges themselves can see.
    """
    trials = make_trials(subjects, count)
    parts = []
    for first in range(0, count, BATCH):
        some = trials[first : first + BATCH]
        seeds = range(SEED + first, SEED + first + len(some))
        parts.append(draw(unet, autoencoder, towers, tokenizer, [t.prompt for t in some], seeds, steps, scale))
    pictures = torch.cat(parts)
    truth = paint(levels, [trial.scene for trial in trials])
    report = {
        "autoencoder": {"psnr_db": round(measure_psnr(autoencoder, levels, subjects), 2)},
        "drawn": judge(pictures, trials, towers, tokenizer, levels[0], subjects),
        "painted": judge(truth, trials, towers, tokenizer, levels[0], subjects),
        "settings": {
            "prompts": count,
            "subjects": len(subjects),
            "drawn": sum(s.drawn for s in subjects),
            "steps": steps,
            "scale": scale,
            "seed": SEED,
        },
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "evaluation.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    write_sheet(out / "evaluation.png", pictures, [trial.prompt for trial in trials], columns=10)
    print(json.dumps(report, indent=2), flush=True)
    return report
