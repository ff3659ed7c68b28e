"""`easel models list`: everything that stands in the model folders, by kind. Loads no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from easel.cli.endings import MACHINE, say, say_error
from easel.core.errors import ModelError, UnknownName

if TYPE_CHECKING:
    from easel.core.settings import Settings
    from easel.models.layouts.identify import Identity
    from easel.models.library.names import Entry

Kind = Annotated[str, typer.Option("--kind", metavar="KIND", help="Only checkpoint, lora, vae, embedding and so on.")]
Family = Annotated[str, typer.Option("--family", metavar="FAMILY", help="Only what goes with sd, sdxl, sd3 or flux.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print a line of JSON for each instead of a table.")]
Wait = Annotated[bool, typer.Option("--wait", help="Read every new file, however long it takes.")]
PATIENCE = 2.0  # seconds in which new files are read before the list is shown


def list_models(kind: Kind = "", family: Family = "", as_json: AsJson = False, wait: Wait = False) -> None:
    """List models, LoRAs, VAEs and all else that stands in the model folders; and what cannot be used, with the reason.

    What is new is read first, for two seconds at most; what is left is listed unread, and read by the next call.
    """
    from easel.core.settings import read_settings
    from easel.models.layouts.makeup import FAMILIES
    from easel.models.library.kinds import KINDS
    from easel.models.library.names import Library

    for what, got, known in (("kind of file", kind, tuple(KINDS)), ("family", family, tuple(FAMILIES))):
        if got and got not in known:
            raise UnknownName(what, got, known)
    settings = read_settings()
    entries = Library(settings).entries(kind or None, within=None if wait else PATIENCE)
    usable: list[tuple[Entry, Identity | None]] = []
    for entry in entries:
        try:
            identity = entry.identity()
        except ModelError as error:
            say_error(error.message)
            continue
        if not family or (identity is not None and family in (identity.family, *identity.fits)):
            usable.append((entry, identity))
    show_list(usable, as_json=as_json)
    unread = sum(entry.row is None for entry in entries)
    if unread:
        say(f"{unread:,} files are not read yet; the next call goes on with them, --wait reads them all.")
    if not usable and not unread:
        say_error(nothing_found(settings, kind, family))
        raise typer.Exit(MACHINE)


def show_list(found: list[tuple[Entry, Identity | None]], *, as_json: bool) -> None:
    """Print files as a table, or a line of JSON for each."""
    from easel.cli.layout import console, show, table
    from easel.core.amounts import bytes_in_words

    if as_json:
        from easel.cli.display import json_line

        for entry, identity in found:
            print(json_line(facts_of(entry, identity)))
    elif found:
        shown = table("name", "what", "size", "where")
        for entry, identity in found:
            shown.add_row(entry.name, in_words(entry, identity), bytes_in_words(entry.found.size), entry.found.path)
        show(console(), shown)


def in_words(entry: Entry, identity: Identity | None) -> str:
    """Return what a file is and what it goes without, in words."""
    from easel.models.library.kinds import CHECKPOINT, KINDS

    if identity is None:
        return f"{KINDS[entry.kind].words}, not read yet"
    lacks = f", without {' and '.join(identity.missing)}" if identity.missing and entry.kind == CHECKPOINT else ""
    return f"{identity.words}{lacks}"


def facts_of(entry: Entry, identity: Identity | None) -> dict[str, Any]:
    """Return what JSON says of a file; what only its header tells is left out where it is not read yet."""
    facts: dict[str, Any] = {"name": entry.name, "kind": entry.kind, "read": identity is not None}
    if identity is not None:
        names = ("family", "variant", "inpaints", "layout", "prediction", "dtype")
        facts |= {name: getattr(identity, name) for name in names}
        facts |= {"fits": list(identity.fits), "missing": list(identity.missing)}
    return {**facts, "bytes": entry.found.size, "path": entry.found.path}


def nothing_found(settings: Settings, kind: str, family: str) -> str:
    """Return why a list is empty, and what to do."""
    from easel.models.library.kinds import CHECKPOINT, KINDS

    what = f"{KINDS[kind or CHECKPOINT].words}{f' for {family}' if family else ''}"
    models = settings.models.absolute()
    where = f"a checkpoint or a diffusers folder into {models}"
    if kind not in ("", CHECKPOINT):
        where = f"one into {models / KINDS[kind].folders[0]}"
    return (
        f"no {what} found; put {where} (EASEL_MODELS changes it; `easel models import-folder` adds those of other "
        "programs)."
    )
