"""Folders of training states as files of at most 16 MB and back, for where no larger file may travel.

`python -m easel.training.embedded.carrying pack work/embedded parcel` and `unpack parcel work/embedded`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Annotated

import typer

LARGEST = 15_500_000  # bytes of a file
LIST = "parcel.json"
app = typer.Typer(no_args_is_help=True)


@app.command()
def pack(
    folder: Annotated[Path, typer.Argument(help="What is to travel.")],
    parcel: Annotated[Path, typer.Argument(help="Folder of the small files, emptied first.")],
) -> None:
    """Writes every file of FOLDER into PARCEL, large ones in pieces, and a list that says what belongs where."""
    shutil.rmtree(parcel, ignore_errors=True)
    parcel.mkdir(parents=True)
    table: dict[str, list[str]] = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".part"):
        name, content = file.relative_to(folder).as_posix(), file.read_bytes()
        pieces = [content[n : n + LARGEST] for n in range(0, max(len(content), 1), LARGEST)]
        table[name] = [hashlib.sha256(piece).hexdigest()[:24] for piece in pieces]
        for digits, piece in zip(table[name], pieces, strict=True):
            (parcel / digits).write_bytes(piece)
    (parcel / LIST).write_text(json.dumps(table, indent=1), encoding="utf-8")


@app.command()
def unpack(
    parcel: Annotated[Path, typer.Argument(help="Folder that pack wrote.")],
    folder: Annotated[Path, typer.Argument(help="Where the files go.")],
) -> None:
    """Writes the files of PARCEL as they were; where a piece is missing or changed, none is written."""
    table: dict[str, list[str]] = json.loads((parcel / LIST).read_text(encoding="utf-8"))
    for digits in {digits for pieces in table.values() for digits in pieces}:
        piece = parcel / digits
        if not piece.is_file() or hashlib.sha256(piece.read_bytes()).hexdigest()[:24] != digits:
            raise typer.BadParameter(f"{piece} is missing or not as it was packed; pack again")
    for name, pieces in table.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"".join((parcel / digits).read_bytes() for digits in pieces))


if __name__ == "__main__":
    app()
