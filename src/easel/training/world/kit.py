"""A kit of the world's data as files: sheets of glyphs and a table of names, for machines that lack font and tables.

`python -m easel.training.world.kit --out work/kit` writes one. No file is larger than 16 MB. Knows no scenes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image, ImageFont

from easel.training.world.subjects import FONT_SIZE, SPRITE, Subject, font_path, render, world_subjects

ACROSS = 16  # glyphs side by side on a sheet
A_SHEET = ACROSS * ACROSS
NAMES = "subjects.json"


@dataclass(frozen=True)
class Kit:
    """Subjects and their sprites, (N, 4, 128, 128) uint8 with colours premultiplied by alpha."""

    subjects: tuple[Subject, ...]
    atlas: torch.Tensor


def make_kit(subjects: tuple[Subject, ...] | None = None) -> Kit:
    """The kit of some subjects, of all where None, drawn from the font of this machine.

    Glyphs that the font does not have are left out.
    """
    font = ImageFont.truetype(str(font_path()), FONT_SIZE)
    kept, sprites = [], []
    for subject in world_subjects() if subjects is None else subjects:
        try:
            picture = np.asarray(render(subject.glyph, font))
        except ValueError:
            continue
        kept.append(subject)
        sprites.append(premultiplied(picture))
    return Kit(tuple(kept), torch.from_numpy(np.stack(sprites)).permute(0, 3, 1, 2).contiguous())


def premultiplied(picture: np.ndarray) -> np.ndarray:
    """An RGBA picture (H, W, 4) uint8 with its colours multiplied by alpha."""
    out = picture.copy()
    out[..., :3] = np.round(picture[..., :3] * (picture[..., 3:] / 255.0))
    return out


def write_kit(kit: Kit, folder: Path) -> None:
    """Write a kit to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for sheet, first in enumerate(range(0, len(kit.subjects), A_SHEET)):
        cells = kit.atlas[first : first + A_SHEET].permute(0, 2, 3, 1).numpy()
        rows = -(-len(cells) // ACROSS)
        whole = np.zeros((rows * SPRITE, ACROSS * SPRITE, 4), dtype=np.uint8)
        for place, cell in enumerate(cells):
            y, x = place // ACROSS * SPRITE, place % ACROSS * SPRITE
            whole[y : y + SPRITE, x : x + SPRITE] = cell
        Image.fromarray(whole, "RGBA").save(folder / f"glyphs-{sheet}.webp", lossless=True, exact=True, method=4)
    table = json.dumps([asdict(subject) for subject in kit.subjects], ensure_ascii=False)
    (folder / NAMES).write_text(table, encoding="utf-8")


def read_kit(folder: Path) -> Kit:
    """Read a kit from a folder. Raises FileNotFoundError naming what to run."""
    if not (folder / NAMES).is_file():
        raise FileNotFoundError(f"{folder / NAMES} is not there: run python -m easel.training.world.kit --out {folder}")
    rows = json.loads((folder / NAMES).read_text(encoding="utf-8"))
    names = ("english", "korean", "english_extra", "korean_extra")
    subjects = tuple(Subject(row["glyph"], *(tuple(row[name]) for name in names)) for row in rows)
    cells: list[np.ndarray] = []
    for sheet in range(-(-len(subjects) // A_SHEET)):
        whole = np.asarray(Image.open(folder / f"glyphs-{sheet}.webp").convert("RGBA"))
        parts = whole.reshape(whole.shape[0] // SPRITE, SPRITE, ACROSS, SPRITE, 4).swapaxes(1, 2)
        cells += list(parts.reshape(-1, SPRITE, SPRITE, 4))
    return Kit(subjects, torch.from_numpy(np.stack(cells[: len(subjects)])).permute(0, 3, 1, 2).contiguous())


def main(out: Annotated[Path, typer.Option(help="Folder of the kit.")] = Path("work/kit")) -> None:
    """Writes the glyphs and names that the embedded model learns from as a few files."""
    kit = make_kit()
    write_kit(kit, out)
    size = sum(path.stat().st_size for path in out.iterdir())
    print(f"{out}: {len(kit.subjects)} subjects, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    typer.run(main)
