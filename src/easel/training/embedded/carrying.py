"""What training leaves as few files of at most 16 MB, and back, for where no larger file may travel.

`python -m easel.training.embedded.carrying pack work/embedded parcel --only model --only evaluation.json` and
`... unpack parcel work/embedded`. Knows files alone.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Annotated

import typer

LARGEST = 15_500_000  # bytes of a file
LIST = "parcel.json"
app = typer.Typer(no_args_is_help=True)


def digits_of(piece: bytes) -> str:
    """What tells that a piece is the one that was packed."""
    return hashlib.sha256(piece).hexdigest()


@app.command()
def pack(
    folder: Annotated[Path, typer.Argument(help="What is to travel.")],
    parcel: Annotated[Path, typer.Argument(help="Folder of the pieces, emptied first.")],
    only: Annotated[list[str] | None, typer.Option(help="Of FOLDER only this file or folder; may come again.")] = None,
) -> None:
    """Writes FOLDER, or what of it is named, as an archive in pieces, with a list of them."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in only or sorted(path.name for path in folder.iterdir()):
            tar.add(folder / name, name)
    content = archive.getvalue()
    shutil.rmtree(parcel, ignore_errors=True)
    parcel.mkdir(parents=True)
    table: dict[str, str] = {}
    for number, start in enumerate(range(0, len(content), LARGEST)):
        piece = content[start : start + LARGEST]
        table[f"piece-{number:02d}"] = digits_of(piece)
        (parcel / f"piece-{number:02d}").write_bytes(piece)
    (parcel / LIST).write_text(json.dumps(table, indent=1), encoding="utf-8")


@app.command()
def unpack(
    parcel: Annotated[Path, typer.Argument(help="Folder that pack wrote.")],
    folder: Annotated[Path, typer.Argument(help="Where the files go.")],
) -> None:
    """Writes the files of PARCEL as they were; where a piece is missing or changed, none is written."""
    table: dict[str, str] = json.loads((parcel / LIST).read_text(encoding="utf-8"))
    pieces = {name: (parcel / name).read_bytes() if (parcel / name).is_file() else b"" for name in table}
    for name, piece in pieces.items():
        if digits_of(piece) != table[name]:
            raise typer.BadParameter(f"{parcel / name} is missing or not as it was packed; pack again")
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces.values()))) as tar:
        tar.extractall(folder, filter="data")


if __name__ == "__main__":
    app()
