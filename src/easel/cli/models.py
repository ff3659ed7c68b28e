"""`easel models`: which models, samplers, schedules and upscalers there are. Loads no torch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from easel.cli import modelfiles
from easel.cli.endings import MACHINE, say_error
from easel.cli.layout import GroupedCommand, group

if TYPE_CHECKING:
    from easel.core.registry import Entry

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
HEADS = {"aliases": "also", "schedule": "schedule", "works_on": "works on", "options": "options"}  # columns by fact

app = group("List models, samplers, schedules and upscalers; say what a model's file is.")


app.command("identify", cls=GroupedCommand)(modelfiles.identify)
app.command("hash", cls=GroupedCommand)(modelfiles.hashes)
app.command("info", cls=GroupedCommand)(modelfiles.info)


@app.command("list", cls=GroupedCommand)
def list_models(as_json: AsJson = False) -> None:
    """List models; folders and files that cannot be used, with the reason."""
    from easel.cli.layout import bytes_in_words, console, show, table
    from easel.core.settings import read_settings
    from easel.models.library import Library

    settings = read_settings()
    usable, broken = Library(settings).identities()
    if as_json:
        facts = [
            {
                "name": model.name,
                "family": model.family,
                "variant": model.variant,
                "inpaints": model.inpaints,
                "layout": model.layout,
                "prediction": model.prediction,
                "bytes": model.size,
                "path": str(model.path),
            }
            for model in usable
        ]
        print_json(facts)
    elif usable:
        shown = table("name", "family", "size", "where")
        for model in usable:
            shown.add_row(model.name, model.kind, bytes_in_words(model.size), str(model.path))
        show(console(), shown)
    for error in broken:
        say_error(error.message)
    if not usable:
        say_error(
            f"no model found; put a checkpoint or a diffusers folder into {settings.models.absolute()} (EASEL_MODELS "
            "changes it; EASEL_MODEL_FOLDERS adds those of other programs)."
        )
        raise typer.Exit(MACHINE)


@app.command("samplers", cls=GroupedCommand)
def list_samplers(as_json: AsJson = False) -> None:
    """List samplers: other names, default schedule, options."""
    from easel.sampling import samplers

    list_entries(sorted(samplers, key=lambda entry: entry.name.casefold()), as_json=as_json)


@app.command("schedules", cls=GroupedCommand)
def list_schedules(as_json: AsJson = False) -> None:
    """List schedules: other names, options."""
    from easel.sampling import schedules

    list_entries(schedules, as_json=as_json)


@app.command("upscalers", cls=GroupedCommand)
def list_upscalers(as_json: AsJson = False) -> None:
    """List upscalers: whether they enlarge latents or pixels."""
    from easel.post.upscalers import upscalers

    list_entries(upscalers, as_json=as_json)


def list_entries(entries: Iterable[Entry[Any]], *, as_json: bool) -> None:
    """Print a registry; other names, facts and options only where some entry has them."""
    from easel.cli.layout import console, show, table

    rows = [facts_of(entry) for entry in entries]
    if as_json:
        print_json(rows)
        return
    used = [fact for fact in HEADS if any(row.get(fact) for row in rows)]
    shown = table("name", *(HEADS[fact] for fact in used))
    if "aliases" in used:
        shown.columns[1].min_width = max(len(alias) for row in rows for alias in row["aliases"])
    for row in rows:
        options = ", ".join(f"{name}={in_words(value)}" for name, value in row["options"].items())
        also = ", ".join(alias for alias in row["aliases"] if alias.casefold() != row["name"].casefold())
        cells = {**row, "aliases": also, "options": options}
        shown.add_row(row["name"], *(cells.get(fact, "") for fact in used))
    show(console(), shown)


def facts_of(entry: Entry[Any]) -> dict[str, Any]:
    """Return what doors may show of an entry."""
    facts: dict[str, Any] = {"name": entry.name, "aliases": list(entry.aliases)}
    facts |= {fact: entry.facts[fact] for fact in ("schedule", "works_on") if entry.facts.get(fact)}
    facts["options"] = {name: finite(option.default) for name, option in entry.options.items()}
    return facts


def in_words(value: Any) -> str:
    """Return an option's value as it would be typed."""
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def finite(value: Any) -> Any:
    """Return `value`, as text where JSON has no word for it."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def print_json(rows: list[dict[str, Any]]) -> None:
    """Print a list of objects, one a line."""
    from easel.cli.display import json_line

    for row in rows:
        print(json_line(row))
