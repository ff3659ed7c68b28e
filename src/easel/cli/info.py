"""`easel info`: what a picture's metadata says, for people and for programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from easel.cli.endings import code_for, say_error, worst
from easel.core.errors import EaselError

if TYPE_CHECKING:
    from rich.console import Console


def info(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Pictures.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each picture.")] = False,
) -> None:
    """Show the words and settings that made a picture."""
    from easel.cli.layout import console

    screen = console()
    codes: list[int] = []
    for place, path in enumerate(files):
        try:
            facts = facts_of(path)
        except EaselError as error:
            codes.append(code_for(error))
            say_error(error.message)
            continue
        if as_json:
            from easel.cli.display import json_line

            print(json_line(facts))
        else:
            if place:
                screen.print()
            show_facts(facts, screen, with_path=len(files) > 1)
    if codes:
        raise typer.Exit(worst(codes))


def facts_of(path: Path) -> dict[str, Any]:
    """Return what a picture says of itself. Raises RequestError when it is no picture or says nothing."""
    from easel.cli.metadata import flat, read_metadata

    found = read_metadata(path)
    file, said, recalled = found.file, found.said, found.recalled
    if said is not None:
        prompt, negative, settings = said.prompt, said.negative, dict(said.fields)
    else:
        fields = dict(recalled.fields) if recalled else {}
        prompt, negative = fields.pop("prompt", ""), fields.pop("negative_prompt", "")
        settings = flat(fields)
    return {
        "path": str(path),
        "format": file.format,
        "width": file.width,
        "height": file.height,
        "prompt": prompt,
        "negative_prompt": negative,
        "settings": settings,
        "infotext": file.infotext,
        **found.facts,
    }


def show_facts(facts: dict[str, Any], screen: Console, *, with_path: bool) -> None:
    """Print one picture's facts: the words first, then a setting a line."""
    from rich.table import Table

    from easel.cli.layout import show

    rows: list[tuple[str, str]] = [("File", facts["path"])] if with_path else []
    rows.append(("Prompt", facts["prompt"]))
    if facts["negative_prompt"]:
        rows.append(("Negative", facts["negative_prompt"]))
    rows += facts["settings"].items()
    if facts["source"] == "comfyui":
        rows += [("Not known", f"{name}: {value}") for name, value in facts["ignored"].items()]
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(name, value)
    show(screen, grid)
