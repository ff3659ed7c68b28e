"""`easel cutout`: what pictures show, cut out of their background."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from easel.cli.options import AsJson, Out, option
from easel.cli.processing import Files
from easel.core.errors import BadValue

CUTTING = "Cutting out"


def cutout(
    files: Files,
    model: Annotated[
        str | None,
        option(CUTTING, "--model", "NAME", "flat, or one of `easel models list --kind background` [flat].", "-m"),
    ] = None,
    colour: Annotated[
        str | None, option(CUTTING, "--colour", "COLOUR", "Behind it: white, #ff8800 ... [transparent].")
    ] = None,
    behind: Annotated[Path | None, option(CUTTING, "--behind", "FILE", "A picture behind it, cut to fit.")] = None,
    tolerance: Annotated[
        float | None, option(CUTTING, "--tolerance", "X", "0..100, flat: how far a colour may be off [12].")
    ] = None,
    holes: Annotated[
        bool, option(CUTTING, "--holes", None, "flat: open places within that have the background's colour too.")
    ] = False,
    feather: Annotated[float | None, option(CUTTING, "--feather", "X", "0..64 pixels of soft edge more [0].")] = None,
    mask_only: Annotated[bool, option(CUTTING, "--mask-only", None, "Give the mask and not the picture.")] = False,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Cut what pictures show out of their background.

    flat needs no files and works before a plain background.
    """
    from easel.cli import wishes
    from easel.cli.pictures import picture_bytes
    from easel.cli.processing import process_files
    from easel.cli.spelled import colour_of

    if colour is not None and behind is not None:
        raise BadValue("--behind", str(behind), "given without --colour")
    wanted = wishes.without_none(
        model=model,
        colour=None if colour is None else colour_of("--colour", colour),
        image=None if behind is None else picture_bytes("--behind", behind),
        tolerance=tolerance,
        holes=holes,
        feather=feather,
        mask_only=mask_only,
    )
    process_files(files, {"background": wanted}, out=out, as_json=as_json)
