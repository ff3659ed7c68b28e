"""`easel detail`: regions of a picture found and painted anew at full resolution."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from easel.cli.options import AsJson, BatchCount, Out, with_shared
from easel.cli.pictures import PictureFile, draw_from_picture, picture_bytes
from easel.core.errors import BadValue


@with_shared
def detail(
    *,
    file: PictureFile,
    prompt: Annotated[
        str | None,
        typer.Argument(metavar="PROMPT", help="What the picture shows [what its own file says].", show_default=False),
    ] = None,
    batch_count: BatchCount = 1,
    fields: dict[str, Any],
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Find faces, hands or any words in a picture and paint them anew.

    All else stays as it is, bit for bit. --detail says what to look for, such as face; it may be given again. --size,
    --steps and the like are those of the work on what is found.
    """
    if "details" not in fields:
        raise BadValue("--detail", None, "what to look for", remedy="for example --detail face")
    fields["start"] = {"image": picture_bytes("FILE", file)}
    said = words_of(file) if prompt is None else prompt
    draw_from_picture("detail", said, fields, batch_count=batch_count, out=out, as_json=as_json, wordless=True)


def words_of(file: Path) -> str:
    """Return the prompt that a picture's file tells of, "" where it tells none."""
    from easel.media.metadata import read_picture_file
    from easel.prompt.infotext import read

    try:
        said = read_picture_file(file).infotext
    except BadValue:  # a kind of picture that carries no words
        return ""
    return read(said).prompt if said else ""
