"""`easel outputs`: pictures by day, a day as one zip, and old ones forgotten.

Lists and zips what stands in the outputs folder, whoever drew it; forgets only jobs of a server's queue, with their
pictures, and never a favourite. What commands have drawn is never taken away.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from time import time
from typing import Annotated, NamedTuple

import typer

from easel.cli.endings import say
from easel.cli.layout import group
from easel.core.errors import BadValue

app = group("List pictures by day, pack a day into a zip, forget old ones.")

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
QueueUrl = Annotated[
    str,
    typer.Option(
        "--queue",
        metavar="URL",
        envvar="EASEL_QUEUE",
        show_envvar=False,
        help="The queue's database; outputs/jobs/jobs.sqlite where left out.",
    ),
]


class Output(NamedTuple):
    """A picture in the outputs folder: its path there, its day, its bytes."""

    path: Path
    day: str
    bytes: int


@app.command("list")
def list_outputs(as_json: Json = False) -> None:
    """List the days that have pictures, how many and how large."""
    from easel.cli.display import json_line
    from easel.cli.layout import console, show, table
    from easel.core.amounts import bytes_in_words
    from easel.core.settings import read_settings

    days: dict[str, list[int]] = {}
    for one in outputs_in(read_settings().outputs):
        days.setdefault(one.day, []).append(one.bytes)
    if as_json:
        told = [{"date": day, "pictures": len(sizes), "bytes": sum(sizes)} for day, sizes in latest_first(days)]
        print(json_line({"days": told}))
        return
    grid = table("day", "pictures", "size")
    for day, sizes in latest_first(days):
        grid.add_row(day, str(len(sizes)), bytes_in_words(sum(sizes)))
    if days:
        show(console(), grid)
    else:
        say(f"no pictures in {read_settings().outputs}.")


@app.command("zip")
def zip_day(
    day: Annotated[str, typer.Argument(metavar="DATE", help="The day, YYYY-MM-DD; or today.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The zip; easel-DATE.zip where left out; - for stdout.")
    ] = None,
) -> None:
    """Pack a day's pictures into one zip, and print its path."""
    from easel.cli.album import write_pieces
    from easel.core.settings import read_settings
    from easel.jobs.zipping import zipped

    wanted, outputs = day_named(day), read_settings().outputs
    found = [one for one in outputs_in(outputs) if one.day == wanted]
    if not found:
        raise BadValue("day", wanted, "one with pictures", remedy=f"`easel outputs list` shows those in {outputs}")
    pieces = zipped((one.path.relative_to(outputs).as_posix(), one.path) for one in found)
    if str(out) == "-":
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        return
    print(write_pieces(pieces, out or Path(f"easel-{wanted}.zip")))
    say(f"{len(found)} pictures of {wanted}.")


@app.command()
def prune(
    older_than: Annotated[
        float,
        typer.Option("--older-than", metavar="DAYS", min=0, help="Forget what ended earlier; 0 forgets none."),
    ] = 0,
    larger_than: Annotated[
        str,
        typer.Option("--larger-than", metavar="AMOUNT", help="Forget the oldest until this much is left: 50GB, 40%."),
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be forgotten.")] = False,
    queue: QueueUrl = "",
) -> None:
    """Forget old jobs of a server's queue, and their pictures.

    Never a favourite, nor what waits or runs, nor what ended within the last ten minutes. The settings keep_days and
    keep_bytes let a server do this by itself.
    """
    from easel.app import ALBUM, queue_of
    from easel.core.amounts import bytes_in_words
    from easel.core.settings import read_settings
    from easel.jobs import pruning
    from easel.jobs.store import open_store

    settings = read_settings()
    album = settings.outputs / ALBUM
    try:
        keep = pruning.keep_of(older_than, larger_than, album)
    except ValueError as error:
        raise BadValue("--larger-than", larger_than, str(error)) from None
    if keep == pruning.EVERYTHING:
        raise BadValue("--older-than", older_than, "more than 0, or --larger-than", remedy="say what to forget")
    store = open_store(queue_of(settings, queue))
    try:
        old = pruning.due(store, keep, time())
        words = f"{bytes_in_words(sum(one.bytes for one in old))} of pictures"
        if dry_run:
            say(f"would forget {len(old)} jobs, {words}.")
            for one in old:
                print(one.id)
        else:
            say(f"forgot {pruning.prune(store, album, old)} jobs, {words}.")
    finally:
        store.close()


def latest_first(days: dict[str, list[int]]) -> list[tuple[str, list[int]]]:
    """Return days with what belongs to them, the latest first."""
    return sorted(days.items(), reverse=True)


def outputs_in(outputs: Path) -> Iterator[Output]:
    """Yield the pictures that stand in folders of days, outputs/KIND/YYYY-MM-DD/, by kind, day and name."""
    for kind in folders(outputs):
        for folder in folders(kind):
            if not DAY.fullmatch(folder.name):
                continue
            with os.scandir(folder) as entries:
                files = sorted((entry for entry in entries if is_picture(entry)), key=lambda entry: entry.name)
            for entry in files:
                yield Output(Path(entry.path), folder.name, entry.stat().st_size)


def folders(parent: Path) -> list[Path]:
    """Return the folders in a folder, none where there is no such folder; links are not followed."""
    try:
        with os.scandir(parent) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []


def is_picture(entry: os.DirEntry[str]) -> bool:
    """Return whether this is a finished file of its own: no link, and not one that is being written."""
    return entry.is_file(follow_symlinks=False) and not entry.name.startswith(".")


def day_named(text: str) -> str:
    """Return a day as folders are named by it. Raises BadValue for what is none."""
    from datetime import date

    try:
        found = date.today() if text == "today" else date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or not (text == "today" or DAY.fullmatch(text)):
        raise BadValue("day", text, "YYYY-MM-DD, or today")
    return found.isoformat()
