"""`easel control`: a hint for control models from a picture, by a preprocessor that needs no weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from easel.cli.options import OUTPUT, Out, option
from easel.core.errors import BadValue

if TYPE_CHECKING:
    from easel.core.registry import Entry

HINT = "Hint"
KIND = "control-images"
LIST = "list"
CLEAR = (".png", ".webp")  # keep transparency
RESIZE = {"just": "just resize", "crop": "crop and resize", "fill": "resize and fill"}


def control(
    name: Annotated[
        str,
        typer.Argument(metavar="PREPROCESSOR", help="See `easel control list`.", show_default=False),
    ],
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="The picture.", show_default=False)] = None,
    given: Annotated[list[str] | None, option(HINT, "--option", "NAME=VALUE", "May be given again.")] = None,
    resolution: Annotated[
        int | None, option(HINT, "--resolution", "N", "8..4096 pixels, the hint's shorter side [the picture's].")
    ] = None,
    pixel_perfect: Annotated[
        str | None,
        option(HINT, "--pixel-perfect", "WxH", "The resolution that suits a picture of this size."),
    ] = None,
    resize: Annotated[
        str | None,
        option(HINT, "--resize", "just|crop|fill", "How the hint will be brought to --pixel-perfect [crop]."),
    ] = None,
    out: Out = None,
    as_json: Annotated[bool, option(OUTPUT, "--json", None, "Print a line of JSON instead.")] = False,
) -> None:
    """Draw a hint for control models from a picture: edges, lines, colours.

    `easel control list` shows the preprocessors with their options. What is transparent lies on white; for inpaint it
    is what will be painted.
    """
    from easel.cli import wishes
    from easel.media.hints import checked_options, preprocessors

    if name.strip().casefold() == LIST:
        more = {"FILE": file, "--option": " ".join(given or ()) or None, "--resolution": resolution}
        for flag, value in {**more, "--pixel-perfect": pixel_perfect, "--resize": resize, "--out": out}.items():
            if value is not None:
                raise BadValue(flag, str(value), "left out with list")
        list_preprocessors(as_json)
        return
    entry = preprocessors[name]
    if file is None:
        raise BadValue("FILE", None, "a picture", remedy=f"for example: easel control {entry.name} fox.png")
    options = checked_options(entry, wishes.options_of("--option", given or ()))
    if resize is not None and pixel_perfect is None:
        raise wishes.needs("--resize", resize, "--pixel-perfect")
    if resolution is not None and pixel_perfect is not None:
        raise BadValue("--resolution", resolution, "left out with --pixel-perfect, which works it out")
    draw_hint(entry, file, options, (resolution, pixel_perfect, resize or "crop"), out, as_json)


def draw_hint(
    entry: Entry[Any],
    file: Path,
    options: dict[str, Any],
    at: tuple[int | None, str | None, str],
    out: Path | None,
    as_json: bool,
) -> None:
    """Draw a file's hint, write it and say where.

    at: the resolution, or None and the size of the picture that it must suit, and how it will be brought there.
    """
    from easel.cli import wishes
    from easel.cli.album import Album
    from easel.cli.display import json_line
    from easel.cli.pictures import mode_of
    from easel.core.result import Picture
    from easel.core.settings import read_settings
    from easel.media.hints import hint_of, pixel_perfect
    from easel.media.reading import open_image

    resolution, target, how = at
    image = open_image(wishes.file_bytes("FILE", file), "FILE")
    if target is not None:
        wanted = wishes.size_of(target, "--pixel-perfect")
        resolution = pixel_perfect(image.size, wanted, mode_of("--resize", how, RESIZE))
    album = Album(out, read_settings().outputs, pictures=1, kind=KIND)
    if entry.facts["reads_alpha"] and album.file and album.file.suffix.casefold() not in CLEAR:
        raise BadValue("--out", str(out), "a .png or .webp file", remedy="a JPEG cannot be transparent")
    album.check()
    hint = hint_of(image, entry.name, resolution=resolution, options=options)
    path = album.keep(0, Picture(hint, options.get("seed", 0), ""))
    told = {"path": str(path), "preprocessor": entry.name, "width": hint.width, "height": hint.height}
    print(json_line({**told, "options": options}) if as_json else path)


def list_preprocessors(as_json: bool) -> None:
    """Print every preprocessor: other names, the models it is for, options with what they may be."""
    from easel.cli.layout import console, show, table
    from easel.cli.registries import in_words, print_json
    from easel.media.hints import preprocessors

    if as_json:
        print_json([facts_of(entry) for entry in preprocessors])
        return
    grid = table("name", "also", "for", "options")
    for entry in preprocessors:
        limits = entry.facts["limits"]
        options = [
            f"{name}={in_words(one.default)} ({limits[name][0]:g} to {limits[name][1]:.10g})"
            for name, one in entry.options.items()
        ]
        grid.add_row(entry.name, ", ".join(entry.aliases), entry.facts["control"], ", ".join(options))
    show(console(), grid)


def facts_of(entry: Entry[Any]) -> dict[str, Any]:
    """Return what programs may know of a preprocessor."""
    limits = entry.facts["limits"]
    return {
        "name": entry.name,
        "aliases": list(entry.aliases),
        "label": entry.facts["label"],
        "control": entry.facts["control"],
        "options": {
            name: {"default": one.default, "least": limits[name][0], "greatest": limits[name][1]}
            for name, one in entry.options.items()
        },
    }
