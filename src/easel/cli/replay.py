"""`easel replay`: a picture made again from its own metadata, and whether it is equal bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from easel.cli.endings import MACHINE, OK
from easel.cli.options import OUTPUT, PICTURE, option
from easel.core.errors import RequestError, UnknownName

if TYPE_CHECKING:
    from easel.cli.metadata import Metadata
    from easel.core.request import Request
    from easel.core.result import Picture
    from easel.media.compare import Difference

COMPARED = ("Model", "Model hash", "Version", "Machine")


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A picture with its infotext, or ComfyUI's.")],
    model: Annotated[
        str | None, option(PICTURE, "--model", "NAME", "Another model than the one that is named there.", "-m")
    ] = None,
    start: Annotated[Path | None, option(PICTURE, "--start", "FILE", "The picture it was made from.")] = None,
    mask: Annotated[Path | None, option(PICTURE, "--mask", "FILE", "The mask it was painted under.")] = None,
    also: Annotated[
        list[str] | None,
        option(PICTURE, "--with", "PLACE=FILE", "Another picture it was made with: controls.0.image=FILE."),
    ] = None,
    out: Annotated[
        Path | None, option(OUTPUT, "--out", "PATH", "Keep the new picture: a folder or a file.", "-o")
    ] = None,
    as_json: Annotated[bool, option(OUTPUT, "--json", None, "Print a line of JSON.")] = False,
) -> None:
    """Draw a picture again from its metadata and compare.

    The exit code is 0 when every pixel is equal, else 1, and then it says what differs.
    """
    from easel.cli.draw import follow
    from easel.cli.metadata import read_metadata

    metadata = read_metadata(file)
    request = request_of(file, metadata, model=model, start=start, mask=mask, also=also or ())
    from easel.media.reading import open_image

    there = open_image(file.read_bytes(), str(file))
    album = album_of(out)
    drawn: list[Picture] = []

    def keep(number: int, picture: Picture) -> None:
        drawn.append(picture)

    follow([request], keep, as_json=as_json)
    picture = drawn[metadata.recalled.frame if metadata.recalled else 0]
    kept = album.keep(0, picture) if album else None
    from easel.media.compare import difference

    found = difference(there, as_stored(picture, metadata.file.format))
    equal = found is not None and found.differing == 0
    report = {
        "path": str(file),
        "equal": equal,
        **numbers(found),
        "size": [f"{image.width}x{image.height}" for image in (there, picture.image)],
        "differs": {} if equal else differing(metadata, picture),
        "ignored": dict(metadata.recalled.ignored) if metadata.recalled else {},
        "batch": batch_of(metadata),
        "format": metadata.file.format,
        "infotext": picture.infotext,
        "out": str(kept.absolute()) if kept else None,
    }
    if as_json:
        from easel.cli.display import json_line

        print(json_line(report))
    else:
        show_report(report)
    raise typer.Exit(OK if equal else MACHINE)


def request_of(
    file: Path,
    metadata: Metadata,
    *,
    model: str | None,
    start: Path | None,
    mask: Path | None,
    also: Sequence[str] = (),
) -> Request:
    """Return the request of one picture, or its whole clip, alone in its forwards. Raises RequestError."""
    from easel.cli import wishes

    if metadata.recalled is None:
        raise RequestError(f"{file}: {metadata.problem}")
    needs = metadata.recalled.needs
    given = {"start": start, "mask": mask}
    if "start" in needs and start is None:
        wanted = "--start FILE" + (" and --mask FILE" if "mask" in needs and mask is None else "")
        raise RequestError(f"{file}: made from another picture, which metadata does not keep; give {wanted}.")
    for name, path in given.items():
        if path is not None and name not in needs:
            raise RequestError(f"{file}: made without a {name} picture; leave --{name} out.")
    pictures = {name: wishes.file_bytes(f"--{name}", path) for name, path in given.items() if path is not None}
    request = metadata.recalled.request(**pictures, pictures=others(file, needs, also))
    alone: dict[str, Any] = {"alone": True} | ({} if request.motion else {"batch_size": 1})
    request = request.model_copy(update={**alone, **({"model": model} if model else {})})
    wishes.check_names(request)
    digits = "" if model else metadata.recalled.facts.get("Model hash", "")
    return request.model_copy(update={"model": model_here(file, request.model, digits)}).settled()


def others(file: Path, needs: Sequence[str], also: Sequence[str]) -> dict[str, bytes]:
    """Return the files of the pictures that a picture was made with besides, by place. Raises RequestError."""
    from easel.cli import wishes

    wanted = [place for place in needs if "." in place]
    found: dict[str, bytes] = {}
    for text in also:
        place, _, path = text.partition("=")
        if place not in wanted:
            allowed = ", ".join(wanted) or "nothing of this kind"
            raise RequestError(f"{file}: --with {text}: made with {allowed}.")
        found[place] = wishes.file_bytes(f"--with {place}", Path(path))
    if missing := [place for place in wanted if place not in found]:
        wanting = " ".join(f"--with {place}=FILE" for place in missing)
        raise RequestError(f"{file}: made with other pictures, which metadata does not keep; give {wanting}.")
    return found


def model_here(file: Path, name: str, digits: str) -> str:
    """Return the name of the model that is meant: one called otherwise here, which is then said, where its hash is.

    digits: of the hash, "" where none is told. Raises RequestError where there is neither.
    """
    from easel.cli.endings import say
    from easel.core.settings import read_settings
    from easel.models.library.names import Library

    library = Library(read_settings())
    try:
        library.where(name)
    except UnknownName as error:
        other = library.by_hash(digits)
        if other is None:
            raise RequestError(f"{file}: {error.message} Use --model NAME to take another.") from None
        say(f"model {name!r} is not here; {other!r} has its hash, {digits}, and is taken.")
        return other
    return name


def album_of(out: Path | None) -> Any:
    """Return where the new picture is kept, None where it is not. Raises StorageError before anything is drawn."""
    from easel.cli.album import Album
    from easel.core.settings import read_settings

    if out is None:
        return None
    album = Album(out, read_settings().outputs, pictures=1)
    album.check()
    return album


def as_stored(picture: Picture, format: str) -> Any:
    """Return the picture as a file of that format would give it back: JPEG and WebP lose something on the way."""
    from easel.media.metadata import encode
    from easel.media.reading import open_image

    return picture.image if format == "png" else open_image(encode(picture.image, format=format), "picture")


def numbers(found: Difference | None) -> dict[str, Any]:
    """Return the numbers of a difference as JSON says them; PSNR is null where it is infinite."""
    if found is None:
        return {"pixels": None, "differing": None, "greatest": None, "psnr": None}
    psnr = round(found.psnr, 1) if found.differing else None
    return {"pixels": found.pixels, "differing": found.differing, "greatest": found.greatest, "psnr": psnr}


def differing(metadata: Metadata, picture: Picture) -> dict[str, list[str | None]]:
    """Return what was otherwise when the file was made: there and here, by the infotext's names."""
    from easel.prompt.infotext import read

    then = metadata.said.fields if metadata.said else {}
    now = read(picture.infotext).fields
    return {name: [then.get(name), now.get(name)] for name in COMPARED if then.get(name) != now.get(name)}


def batch_of(metadata: Metadata) -> int | None:
    """Return how many pictures were drawn together with the file's, where it says so."""
    size = metadata.recalled.facts.get("Batch size", "") if metadata.recalled else ""
    return int(size) if size.isascii() and size.isdigit() and len(size) < 9 else None


def show_report(report: dict[str, Any]) -> None:
    """Print whether the pictures are equal and, where not, what may be why."""
    from rich.table import Table

    from easel.cli.layout import console, show

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows_of(report):
        grid.add_row(name, value)
    print(headline(report))
    if grid.row_count:
        show(console(), grid)
    if report["out"]:
        print(report["out"])


def headline(report: dict[str, Any]) -> str:
    """Return the verdict in one line."""
    if report["equal"]:
        kind = "" if report["format"] == "png" else f", after the losses of {report['format'].upper()}"
        return f"equal, bit for bit: all {report['pixels']:,} pixels{kind}"
    if report["pixels"] is None:
        return "not equal: {} in the file, {} now".format(*report["size"])
    part = f"{report['differing']:,} of {report['pixels']:,} pixels differ"
    return f"not equal: {part}, at most by {report['greatest']} of 255 (PSNR {report['psnr']} dB)"


def rows_of(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what stands under the verdict."""
    rows = [("Not honoured", f"{name}: {value}") for name, value in report["ignored"].items()]
    if report["equal"]:
        return rows
    rows += [
        (name, f"{then if then is not None else 'not said'} in the file, {now if now is not None else 'none'} now")
        for name, (then, now) in report["differs"].items()
    ]
    if report["batch"]:
        rows.append(("Batch", f"drawn with {report['batch'] - 1} others, which may change the last bits"))
    if report["format"] != "png":
        rows.append(("Format", f"{report['format'].upper()} loses something; another quality gives other pixels"))
    if not rows:
        rows.append(("Perhaps", "changed since, or drawn beside other pictures, which may change the last bits"))
    return rows
