"""`easel control`: a hint for control models from a picture, by any preprocessor; OpenPose's JSON read and written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from easel.cli.options import OUTPUT, Out, option
from easel.core.errors import BadValue

if TYPE_CHECKING:
    from PIL.Image import Image

    from easel.core.registry import Entry
    from easel.models.library.names import Library
    from easel.models.readers import Readers

HINT = "Hint"
KIND = "control-images"
LIST = "list"
POSES = "OpenPose"
CLEAR = (".png", ".webp")  # keep transparency
RESIZE = {"just": "just resize", "crop": "crop and resize", "fill": "resize and fill"}


def control(
    name: Annotated[
        str,
        typer.Argument(metavar="PREPROCESSOR", help="See `easel control list`.", show_default=False),
    ],
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="The picture, or OpenPose's JSON for openpose.", show_default=False),
    ] = None,
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
    points: Annotated[
        Path | None, option(OUTPUT, "--points", "FILE", "Write the people's points as OpenPose's JSON too.")
    ] = None,
    out: Out = None,
    as_json: Annotated[bool, option(OUTPUT, "--json", None, "Print a line of JSON instead.")] = False,
) -> None:
    """Draw a hint for control models from a picture: edges, lines, poses, depth.

    `easel control list` shows the preprocessors with their options, and which read files and have them. What is
    transparent lies on white; for inpaint it is what will be painted.
    """
    from easel.cli import wishes
    from easel.media.hints import checked_options
    from easel.models.readers import preprocessor_named

    if name.strip().casefold() == LIST:
        more = {"FILE": file, "--option": " ".join(given or ()) or None, "--resolution": resolution}
        more |= {"--pixel-perfect": pixel_perfect, "--resize": resize, "--points": points, "--out": out}
        for flag, value in more.items():
            if value is not None:
                raise BadValue(flag, str(value), "left out with list")
        list_preprocessors(as_json)
        return
    entry = preprocessor_named(name)
    if file is None:
        raise BadValue("FILE", None, "a picture", remedy=f"for example: easel control {entry.name} fox.png")
    options = checked_options(entry, wishes.options_of("--option", given or ()))
    if resize is not None and pixel_perfect is None:
        raise wishes.needs("--resize", resize, "--pixel-perfect")
    if resolution is not None and pixel_perfect is not None:
        raise BadValue("--resolution", resolution, "left out with --pixel-perfect, which works it out")
    poses = entry.facts["control"] == POSES
    if points is not None and not poses:
        raise BadValue("--points", str(points), "left out: only openpose finds people's points")
    hint = Hint(entry, file, options, (resolution, pixel_perfect, resize or "crop"), points)
    keep_hint(hint, drawn_poses if poses else drawn_hint, out, as_json)


@dataclass(frozen=True, slots=True)
class Hint:
    """What is to be drawn.

    at: the resolution, or None and the size of the picture that it must suit, and how it will be brought there.
    points: a file for the people's points.
    """

    entry: Entry[Any]
    file: Path
    options: dict[str, Any]
    at: tuple[int | None, str | None, str]
    points: Path | None


def keep_hint(hint: Hint, draw: Callable[[Hint], Image], out: Path | None, as_json: bool) -> None:
    """Draw a hint, write it and say where."""
    from easel.cli.album import Album
    from easel.cli.display import json_line
    from easel.core.result import Picture
    from easel.core.settings import read_settings

    entry = hint.entry
    album = Album(out, read_settings().outputs, pictures=1, kind=KIND)
    if entry.facts["reads_alpha"] and album.file and album.file.suffix.casefold() not in CLEAR:
        raise BadValue("--out", str(out), "a .png or .webp file", remedy="a JPEG cannot be transparent")
    album.check()
    drawn = draw(hint)
    path = album.keep(0, Picture(drawn, hint.options.get("seed", 0), ""))
    told = {"path": str(path), "preprocessor": entry.name, "width": drawn.width, "height": drawn.height}
    print(json_line({**told, "options": hint.options}) if as_json else path)


def drawn_hint(hint: Hint) -> Image:
    """Return the hint of a picture's file."""
    from easel.models.readers import hint_of

    image, resolution = seen(hint)
    readers = readers_for(hint.entry)
    return hint_of(image, hint.entry.name, resolution=resolution, options=hint.options, readers=readers)


def drawn_poses(hint: Hint) -> Image:
    """Return the people of a picture's file, or of OpenPose's JSON, which needs no weights; writes their points too."""
    from easel.cli import wishes
    from easel.media.hints import at_resolution
    from easel.media.hints.sizes import size_at
    from easel.media.reading import flat
    from easel.models.readers.pose.people import read_json_text, resized, to_json
    from easel.models.readers.poses import drawn, found_poses

    if hint.file.suffix.casefold() == ".json":
        if hint.options:
            raise BadValue("--option", ", ".join(hint.options), "left out: points that are known are not sought")
        poses = read_json_text(wishes.file_bytes("FILE", hint.file).decode("utf-8", "replace"), "FILE")
        resolution = resolution_for((poses.width, poses.height), hint)
        if resolution is not None:
            poses = resized(poses, *size_at((poses.width, poses.height), resolution))
    else:
        image, resolution = seen(hint)
        poses = found_poses(at_resolution(flat(image), resolution), readers_for(hint.entry), **hint.options)
    if hint.points is not None:
        keep_points(hint.points, to_json(poses))
    return drawn(hint.entry.name, poses)


def keep_points(file: Path, told: dict[str, Any]) -> None:
    """Write OpenPose's JSON to a file. Raises StorageError."""
    from easel.core.errors import StorageError

    try:
        file.write_text(json.dumps(told), encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{file}: the points cannot be written ({error.strerror or error}).") from None


def seen(hint: Hint) -> tuple[Image, int | None]:
    """Return the picture of a file, and the resolution at which it is looked at."""
    from easel.cli import wishes
    from easel.media.reading import open_image

    image = open_image(wishes.file_bytes("FILE", hint.file), "FILE")
    return image, resolution_for(image.size, hint)


def resolution_for(size: tuple[int, int], hint: Hint) -> int | None:
    """Return the hint's shorter side for a picture of this size, None for its own."""
    from easel.cli import wishes
    from easel.cli.pictures import mode_of
    from easel.media.hints import pixel_perfect

    resolution, target, how = hint.at
    if target is None:
        return resolution
    return pixel_perfect(size, wishes.size_of(target, "--pixel-perfect"), mode_of("--resize", how, RESIZE))


def readers_for(entry: Entry[Any]) -> Readers:
    """Return who reads the files of a preprocessor; one by arithmetic has none to read, and no torch is loaded."""
    from easel.core.settings import read_settings
    from easel.models.library.names import Library
    from easel.models.readers import Readers

    if not entry.facts["needs"]:
        return Readers()
    readers = Readers(Library(read_settings()))
    for need in entry.facts["needs"]:
        readers.file(need)  # told before torch is loaded for nothing
    from easel.models.accelerate import machine_for

    readers.machine = machine_for(read_settings())
    return readers


def list_preprocessors(as_json: bool) -> None:
    """Print every preprocessor: other names, the models it is for, options with what they may be, files it reads."""
    from easel.cli.layout import console, show, table
    from easel.cli.registries import in_words, print_json
    from easel.core.settings import read_settings
    from easel.models.library.names import Library
    from easel.models.readers import all_preprocessors

    library = Library(read_settings())
    told = [facts_of(entry, library) for entry in all_preprocessors()]
    if as_json:
        print_json(told)
        return
    grid = table("name", "also", "for", "options", "files")
    for facts in told:
        options = [
            f"{name}={in_words(one['default'])} ({one['least']:g} to {one['greatest']:.10g})"
            for name, one in facts["options"].items()
        ]
        files = [f"{need['name']}{'' if need['there'] else ' (missing)'}" for need in facts["needs"]]
        grid.add_row(facts["name"], ", ".join(facts["aliases"]), facts["control"], ", ".join(options), ", ".join(files))
    show(console(), grid)


def facts_of(entry: Entry[Any], library: Library) -> dict[str, Any]:
    """Return what programs may know of a preprocessor, and whether its files stand in the library."""
    from easel.models.readers.files import missing

    limits, needs = entry.facts["limits"], entry.facts["needs"]
    lacking = missing(needs, library)
    return {
        "name": entry.name,
        "aliases": list(entry.aliases),
        "label": entry.facts["label"],
        "control": entry.facts["control"],
        "options": {
            name: {"default": one.default, "least": limits[name][0], "greatest": limits[name][1]}
            for name, one in entry.options.items()
        },
        "needs": [{"name": need.name, "there": need not in lacking, "get": need.get} for need in needs],
    }
