"""`easel enlarge`: pictures made larger, without drawing anything anew."""

from __future__ import annotations

from typing import Annotated

from easel.cli.options import AsJson, Out, option
from easel.cli.parts import Restored
from easel.cli.processing import Files
from easel.core.errors import BadValue

ENLARGE = "Enlarging"


def enlarge(
    files: Files,
    scale: Annotated[float | None, option(ENLARGE, "--scale", "X", "0.25..8, how much larger [2].")] = None,
    size: Annotated[
        str | None, option(ENLARGE, "--size", "WxH", "The same to a size in pixels; 0 for one side keeps the shape.")
    ] = None,
    whole: Annotated[
        bool, option(ENLARGE, "--whole", None, "With --size: cut nothing off; the picture may be larger.")
    ] = False,
    upscaler: Annotated[
        str | None, option(ENLARGE, "--upscaler", "NAME", "See `easel models upscalers` [Lanczos].")
    ] = None,
    second: Annotated[str | None, option(ENLARGE, "--second", "NAME", "Another upscaler, laid over the first.")] = None,
    second_share: Annotated[float | None, option(ENLARGE, "--second-share", "X", "0..1, how visibly [0].")] = None,
    tile: Annotated[
        int | None, option(ENLARGE, "--tile", "N", "Pixels of the tiles of a learned upscaler, 0 for the whole [192].")
    ] = None,
    faces: Restored = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Make pictures larger, without drawing anything anew.

    `easel upscale` draws detail anew, led by words.
    """
    from easel.cli import wishes
    from easel.cli.parts import parts_of
    from easel.cli.processing import process_files

    if scale is not None and size is not None:
        raise BadValue("--size", size, "given without --scale")
    if whole and size is None:
        raise wishes.needs("--whole", True, "--size")
    if second is None and second_share is not None:
        raise wishes.needs("--second-share", second_share, "--second")
    wanted = wishes.without_none(
        scale=scale, upscaler=upscaler, second=second, second_share=second_share, tile=tile, crop=not whole
    )
    if size is not None:
        width, height = wishes.size_of(size)
        if not (width or height):
            raise BadValue("--size", size, "at least one side above 0")
        wanted |= wishes.without_none(width=width or None, height=height or None)
    process_files(files, {"enlarge": wanted, **parts_of(faces=faces)}, out=out, as_json=as_json)
