"""Makes docs/gallery.md: every command on that page is run as it stands, and its picture is shown beside it.

    .venv/bin/python docs/make_gallery.py [NAME ...]     # runs only these rows; the others keep their pictures

Runs in a folder of its own with the starter; pictures go to docs/images/gallery/. The rows are gallery_rows.json.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from easel.media.sheets import font, labelled

ROOT = Path(__file__).parent.parent
ROWS = Path(__file__).with_name("gallery_rows.json")
PICTURES = ROOT / "docs" / "images" / "gallery"
PAGE = ROOT / "docs" / "gallery.md"


def run(command: str, folder: Path) -> str:
    """Run one command of the page in `folder` and return what it prints; stop with its words when it fails."""
    words = shlex.split(command)
    words[:1] = [sys.executable, "-m", "easel.cli"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env={**os.environ, "COLUMNS": "80"})
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stderr}")
    return done.stdout


def shown(row: dict[str, Any], folder: Path) -> Image.Image | Path:
    """Return what a row shows: a film's file, one picture, several side by side, or one laid 3 x 3."""
    files = [file for name in row["shows"] for file in sorted(folder.glob(name))]
    if files[0].suffix in (".gif", ".webp"):
        return files[0]
    images = [Image.open(file).convert("RGB") for file in files]
    if row.get("times3"):
        return labelled(images * 9, [""] * 3, [""] * 3, gap=0)
    if captions := row.get("captions"):  # numbers are given as pictures are done, so each says itself what it is
        by_words = {image.info["parameters"].splitlines()[0]: image for image in images}
        return sheet([by_words[words] for words in captions], captions)
    return images[0] if len(images) == 1 else labelled(images, row.get("labels", [""] * len(images)), [""])


def sheet(images: list[Image.Image], captions: list[str], columns: int = 8, side: int = 160) -> Image.Image:
    """Return pictures made smaller, in rows, each over its words."""
    step, bar = side + 6, 20
    page = Image.new("RGB", (columns * step, -(-len(images) // columns) * (side + bar)), "white")
    pen = ImageDraw.Draw(page)
    for number, (image, words) in enumerate(zip(images, captions, strict=True)):
        x, y = number % columns * step + 3, number // columns * (side + bar)
        page.paste(image.resize((side, side), Image.Resampling.LANCZOS), (x, y))
        pen.text((x + side / 2, y + side + 2), words, fill="black", font=font(11), anchor="ma")
    return page


def prepare(folder: Path, sections: list[dict[str, Any]]) -> None:
    """Write the masks, strokes and lists that commands of the page name."""
    mask = Image.new("L", (256, 256))
    ImageDraw.Draw(mask).rectangle((0, 0, 127, 255), fill=255)
    mask.save(folder / "left-half.png")
    strokes = [
        {"points": [[128, 140]], "colour": "#e02020", "width": 156},
        {"points": [[128, 64], [152, 24]], "colour": "#2e7d32", "width": 20},
    ]
    (folder / "strokes.json").write_text(json.dumps(strokes))
    hat = [
        {"points": [[78, 86], [178, 86]], "colour": "#2040c0", "width": 28},
        {"points": [[128, 50], [128, 74]], "colour": "#2040c0", "width": 52},
    ]
    (folder / "hat.json").write_text(json.dumps(hat))
    (folder / "styles.csv").write_text("name,prompt,negative_prompt\nnight,{prompt} at night,\n")
    prompts = ["a fox", "a pumpkin on a green background", '--prompt "a robot, blue background" --seed 5 --steps 12']
    for row in (row for section in sections for row in section["rows"] if "captions" in row):
        (folder / f"{row['name']}.txt").write_text("\n".join(row["captions"]) + "\n", encoding="utf-8")
    (folder / "prompts.txt").write_text("\n".join(prompts) + "\n")
    (folder / "wildcards").mkdir()
    (folder / "wildcards" / "thing.txt").write_text("car\nrocket\nrobot\ncrown\n")


def page(sections: list[dict[str, Any]], printed: dict[str, str]) -> str:
    """Return the page's text."""
    lines = [
        "# Gallery",
        "",
        "Every command on this page was run as it stands by `docs/make_gallery.py`, with the starter and nothing else;",
        "pictures that later commands start from are those that earlier ones drew.",
    ]
    for section in sections:
        lines += ["", f"## {section['title']}"]
        for row in section["rows"]:
            lines += ["", f"### {row['title']}", "", row["text"], ""]
            lines += [f"    {command}" for command in row["commands"]]
            lines += [f"    {line}" for line in printed.get(row["name"], "").splitlines()]
            if row.get("shows"):
                ending = Path(row["shows"][0]).suffix.replace(".png", ".webp")
                lines += ["", f"![{row['title']}](images/gallery/{row['name']}{ending})"]
    return "\n".join(lines) + "\n"


def main(names: list[str]) -> None:
    """Run the rows of these names, or all, and write the page."""
    sections = json.loads(ROWS.read_text(encoding="utf-8"))
    PICTURES.mkdir(parents=True, exist_ok=True)
    printed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        prepare(folder, sections)
        for row in (row for section in sections for row in section["rows"]):
            if names and row["name"] not in names and not row.get("base") and not row.get("prints"):
                continue
            outcome = "".join(run(command, folder) for command in row["commands"])
            if row.get("prints"):
                printed[row["name"]] = outcome
            if row.get("shows"):
                picture = shown(row, folder)
                if isinstance(picture, Path):
                    shutil.copyfile(picture, PICTURES / f"{row['name']}{picture.suffix}")
                else:
                    picture.save(PICTURES / f"{row['name']}.webp", quality=90, method=6)
            print(row["name"], flush=True)
    PAGE.write_text(page(sections, printed), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
