"""`easel models samplers`, `schedules` and `upscalers`: what there is to choose by name. Loads no torch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from easel.core.registry import Entry

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
HEADS = {
    "aliases": "also",
    "schedule": "schedule",
    "works_on": "works on",
    "options": "options",
    "path": "where",
}  # columns by fact


def list_samplers(as_json: AsJson = False) -> None:
    """List samplers: other names, default schedule, options."""
    from easel.sampling import samplers

    list_entries(sorted(samplers, key=lambda entry: entry.name.casefold()), as_json=as_json)


def list_schedules(as_json: AsJson = False) -> None:
    """List schedules: other names, options."""
    from easel.sampling import schedules

    list_entries(schedules, as_json=as_json)


def list_upscalers(as_json: AsJson = False) -> None:
    """List upscalers: whether they enlarge latents or pixels; those of files too."""
    from easel.core.settings import read_settings
    from easel.models.library.names import Library
    from easel.post.upscalers import PIXELS, upscalers

    files = [
        {"name": name, "aliases": [], "works_on": PIXELS, "path": str(path), "options": {}}
        for name, path in Library(read_settings()).places("upscaler").items()
    ]
    list_entries(upscalers, files, as_json=as_json)


def list_entries(entries: Iterable[Entry[Any]], files: Iterable[dict[str, Any]] = (), *, as_json: bool) -> None:
    """Print a registry, then what files add to it; other names, facts and options only where some entry has them."""
    from easel.cli.layout import console, show, table

    rows = [*(facts_of(entry) for entry in entries), *files]
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
