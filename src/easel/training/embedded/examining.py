"""The figures on the model's card: `--stage examine`, on fixed prompts, by judges that share no weights.

"drawn" are the model's pictures, "painted" the true compositions: what the judges themselves can see. Knows nothing of
training.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from easel.training.embedded.autoencoder import measured
from easel.training.embedded.judges import Glyphs, Names, Styles, frechet
from easel.training.embedded.looking import halves, hits, nearest_background, share
from easel.training.embedded.trials import Trial, make_trials
from easel.training.embedded.workshop import Workshop
from easel.training.learning.sheet import write_sheet
from easel.training.networks.export import load
from easel.training.networks.towers import picture_features
from easel.training.networks.unet import draw
from easel.training.world.deck import packed
from easel.training.world.painting import paint
from easel.training.world.scenes import OWN_GROUND, STYLES

BATCH = 20
FRESH = 1024  # true pictures with which drawn ones are compared as a whole
Report = dict[str, float]


def judged(pictures: torch.Tensor, trials: Sequence[Trial], glyphs: Glyphs, names: Names, styles: Styles) -> Report:
    """Shares of pictures that show what their prompts ask for."""
    report: Report = {}
    painted = nearest_background(pictures)
    grounds = [n for n, trial in enumerate(trials) if trial.scene.style not in OWN_GROUND]
    for said, name in ((True, "background_said"), (False, "background_unsaid_white")):
        rows = [n for n in grounds if trials[n].scene.background_said == said]
        report[name] = share([painted[n] == trials[n].scene.background for n in rows])
    ones = [n for n, trial in enumerate(trials) if trial.kind == "one"]
    twos = [n for n, trial in enumerate(trials) if trial.kind == "two"]
    for judge, ranked in (("clip", names.ranked), ("glyph", glyphs.ranked)):
        wanted = torch.tensor([trials[n].scene.things[0].subject for n in ones])
        order = ranked(pictures[ones])
        for top in (1, 5):
            found = hits(order, wanted, top)
            report[f"{judge}_top{top}"] = share(found)
            for language in ("en", "ko"):
                rows = [row for row, n in enumerate(ones) if trials[n].language == language]
                report[f"{judge}_top{top}_{language}"] = share(found[rows])
        wanted = torch.tensor([trials[n].scene.things[side].subject for side in (0, 1) for n in twos])
        order = ranked(halves(pictures[twos]))
        for top in (1, 5):
            report[f"both_{judge}_top{top}"] = share(hits(order, wanted, top).view(2, -1).all(0))
    styled = [n for n, trial in enumerate(trials) if trial.kind == "style"]
    wanted = torch.tensor([STYLES.index(trials[n].scene.style) for n in styled])
    report["style"] = share(styles.named(pictures[styled]) == wanted)
    return report


@torch.no_grad()
def examine(shop: Workshop, model: Path, out: Path) -> dict[str, Report]:
    """Measures an exported model; writes evaluation.json and evaluation.png to `out`."""
    recipe = shop.recipe
    tokenizer, towers, autoencoder, unet = load(model)
    parts = [part.to(shop.device).eval() for part in (towers, autoencoder, unet)]
    towers, autoencoder, unet = parts
    trials = make_trials(shop.subjects, recipe.checks)
    pictures, began = [], time.monotonic()
    for first in range(0, len(trials), BATCH):
        some = trials[first : first + BATCH]
        seeds = range(first, first + len(some))
        words = [trial.prompt for trial in some]
        pictures.append(draw(unet, autoencoder, towers, tokenizer, words, seeds, recipe.steps).cpu())
    seconds = (time.monotonic() - began) / len(trials)
    drawn = torch.cat(pictures)
    side = (recipe.side, recipe.side)
    true = torch.cat(
        [paint(shop.atlas, packed([t.scene for t in trials[n : n + BATCH]]).to(shop.device), side).cpu()
         for n in range(0, len(trials), BATCH)]
    )  # fmt: skip
    with torch.enable_grad():
        styles = Styles(shop, steps=recipe.style_steps)
    glyphs, names = Glyphs(shop.atlas), Names(towers, tokenizer, shop.subjects)
    rows = torch.arange(min(FRESH, len(shop.unseen)))
    fresh = [shop.pictures(part, unseen=True) for part in rows.split(BATCH)]
    features = [torch.cat([picture_features(towers, x.to(shop.device)).cpu() for x in xs]) for xs in (pictures, fresh)]
    report = {
        "autoencoder": {"psnr_db": round(measured(shop, autoencoder), 2)},
        "drawn": judged(drawn, trials, glyphs, names, styles) | {"frechet": round(frechet(*features), 4)},
        "painted": judged(true, trials, glyphs, names, styles) | {"style_unseen": round(styles.known, 4)},
        "cost": {
            "seconds_a_picture": round(seconds, 3),
            "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            "model_mb": round(sum(f.stat().st_size for f in model.rglob("*") if f.is_file()) / 1e6, 1),
        },
        "settings": {"prompts": len(trials), "subjects": len(shop.subjects), "steps": recipe.steps},
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "evaluation.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    write_sheet(out / "evaluation.png", drawn, [trial.prompt for trial in trials], columns=10)
    print(json.dumps(report, indent=2), flush=True)
    return report
