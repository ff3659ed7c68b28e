"""`easel faces`: the faces of pictures restored."""

from __future__ import annotations

from typing import Annotated

from easel.cli.options import AsJson, Out, option
from easel.cli.processing import Files

FACES = "Faces"


def faces(
    files: Files,
    restorer: Annotated[
        str, option(FACES, "--restorer", "NAME", "A file of `easel models list --kind face_restorer`.", "-r")
    ],
    visibility: Annotated[
        float | None, option(FACES, "--visibility", "X", "0..1, how visibly the new face is laid over the old [1].")
    ] = None,
    fidelity: Annotated[
        float | None, option(FACES, "--fidelity", "X", "0..1, CodeFormer: 0 restores most, 1 stays nearest [0.5].")
    ] = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Restore the faces of pictures."""
    from easel.cli import wishes
    from easel.cli.processing import process_files

    wanted = wishes.without_none(restorer=restorer, visibility=visibility, fidelity=fidelity)
    process_files(files, {"faces": (wanted,)}, out=out, as_json=as_json)
