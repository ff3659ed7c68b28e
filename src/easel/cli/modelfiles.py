"""`easel models identify`, `hash` and `info`: what a model's files say, on one screen. Reads no weights but to hash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from easel.cli.endings import code_for, say_error, worst
from easel.core.errors import BadValue, EaselError, ModelError

if TYPE_CHECKING:
    from easel.models.layouts.identify import Identity

Paths = Annotated[list[Path], typer.Argument(metavar="FILE", help="Single files or diffusers folders.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print a line of JSON for each.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A name, as `easel models list` has it, a path or a hash.")]
Kind = Annotated[str, typer.Option("--kind", metavar="KIND", help="Which of several of one name: lora, vae and so on.")]
NAMES_SHOWN = 5


def identify(files: Paths, as_json: AsJson = False) -> None:
    """Say what a file or folder is, from its header alone; made for bug reports."""

    def told(path: Path) -> dict[str, Any]:
        from easel.models.layouts.identify import identify

        try:
            return facts_of(identify(path))
        except ModelError as error:
            return {"path": str(path), "error": error.message, **names_in(path)}

    each(files, told, as_json=as_json)


def hashes(files: Paths, as_json: AsJson = False) -> None:
    """Print the hash of a model: SHA-256, and its beginning as A1111 (and Civitai's AutoV2) shows it."""

    def told(path: Path) -> dict[str, Any]:
        from easel.models.library.hashing import SHOWN, hash_of

        found = hash_of(weights_of(path))
        return {"path": str(path), "sha256": found, "short": found[:SHOWN], "autov2": found[:SHOWN].upper()}

    each(files, told, as_json=as_json)


def info(name: Name, kind: Kind = "", as_json: AsJson = False) -> None:
    """Show what a model, LoRA or another file is, where it stands, its hash, and what its maker wrote into it."""
    from easel.core.settings import read_settings
    from easel.models.library.cards import card_of
    from easel.models.library.hashing import WeightsHash
    from easel.models.library.kinds import KINDS
    from easel.models.library.names import Library

    identity = Library(read_settings()).find(name, (kind,) if kind else tuple(KINDS))
    facts = {"name": identity.name, **facts_of(identity), "hash": WeightsHash(weights_of(identity.path)).short}
    show_facts({**facts, "card": card_of(identity.path)}, as_json=as_json)


def weights_of(path: Path) -> list[Path]:
    """Return the files that a model's hash is of."""
    from easel.models.layouts.identify import identify
    from easel.models.layouts.sources import source_of

    return [path] if path.is_file() else list(source_of(identify(path)).files)


def each(files: list[Path], told: Callable[[Path], dict[str, Any]], *, as_json: bool) -> None:
    """Print the facts of each file; the exit code is the worst of them."""
    codes: list[int] = []
    for place, path in enumerate(files):
        try:
            if not path.exists():
                raise BadValue("FILE", str(path), "a file or folder that exists")
            facts = told(path)
        except EaselError as error:
            codes.append(code_for(error))
            say_error(error.message)
            continue
        except OSError as error:
            codes.append(1)
            say_error(f"{path}: cannot be read ({error.strerror}).")
            continue
        if place and not as_json:
            print()
        show_facts(facts, as_json=as_json)
        if "error" in facts:
            codes.append(1)
    if codes:
        raise typer.Exit(worst(codes))


def facts_of(identity: Identity) -> dict[str, Any]:
    """Return what an identity says."""
    names = ("kind", "family", "variant", "inpaints", "layout", "prediction", "known_by", "zero_snr", "dtype")
    return {
        "path": str(identity.path),
        **{name: getattr(identity, name) for name in names},
        "bytes": identity.size,
        "fits": list(identity.fits),
        "missing": list(identity.missing),
        "unused": dict(identity.unused),
    }


def names_in(path: Path) -> dict[str, Any]:
    """Return how many tensors a file has and what the first are called, nothing where that cannot be read."""
    from easel.models.files.opening import listing_of

    try:
        names = list(listing_of(path).tensors) if path.is_file() else []
    except ModelError:
        return {}
    return {"tensors": len(names), "first": names[:NAMES_SHOWN]} if names else {}


def show_facts(facts: dict[str, Any], *, as_json: bool) -> None:
    """Print facts as a line of JSON, or a fact a line."""
    if as_json:
        from easel.cli.display import json_line

        print(json_line(facts))
        return
    from rich.table import Table

    from easel.cli.layout import console, show

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows_of(facts):
        grid.add_row(name, value)
    show(console(), grid)


def rows_of(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Return facts in words, the empty ones left out."""
    from easel.core.amounts import bytes_in_words
    from easel.core.version import version

    rows = [("Name", facts.get("name", "")), ("Path", facts["path"])]
    if "kind" in facts:
        rows += kind_rows(facts)
        rows += [("Size", bytes_in_words(facts["bytes"])), ("Missing", ", ".join(facts["missing"]))]
        rows += [("Unused", f"{count} tensors: {what}") for what, count in facts["unused"].items()]
    rows += [("Hash", facts.get("hash", "")), ("SHA-256", facts.get("sha256", "")), ("Short", facts.get("short", ""))]
    rows += [("AutoV2", facts.get("autov2", "")), ("Error", facts.get("error", ""))]
    if "tensors" in facts:
        rows += [("Tensors", str(facts["tensors"])), *(("First", name) for name in facts["first"])]
    rows += facts.get("card", {}).items()
    rows.append(("Easel", version() if "sha256" not in facts else ""))
    return [(name, value) for name, value in rows if value]


def kind_rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a file is in words: its kind where it is no whole model, family, layout, prediction, numbers."""
    from easel.models.layouts.makeup import WORDS
    from easel.models.library.kinds import CHECKPOINT, KINDS

    kind, variant = facts["kind"], facts["variant"]
    family = ", ".join(str(WORDS.get(one, one)) for one in facts["fits"] or (facts["family"],))
    shared = len(facts["fits"]) > 1  # then the variant is of the part, and of no family
    predicts = f"{facts['prediction']} ({facts['known_by']})" if facts["prediction"] else ""
    return [
        ("Kind", "" if kind == CHECKPOINT else KINDS[kind].words if kind in KINDS else kind.replace("_", " ")),
        (
            "Family",
            f"{family}{f' {variant}' if not shared else ''}{', inpainting' if facts['inpaints'] else ''}".strip(),
        ),
        ("Build", variant if shared else ""),
        ("Layout", {"folder": "diffusers folder", "file": "single file"}[facts["layout"]]),
        ("Predicts", f"{predicts}{', to zero signal' if facts['zero_snr'] else ''}"),
        ("Numbers", facts["dtype"]),
    ]
