"""The end of every drawing command: check what can be checked at once, draw all requests together, keep the pictures.

wishes.py turned options into requests; drawing.py follows the runs, album.py keeps the pictures, display.py
shows how far they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import typer

from easel.cli.endings import OK, STOPPED, leave_at_once
from easel.core.errors import BadValue
from easel.core.motion import Film
from easel.core.request import Request

if TYPE_CHECKING:
    from easel.cli.display import Display
    from easel.cli.drawing import Film as KeepFilm
    from easel.cli.drawing import Keep


def draw(requests: Sequence[Request], *, out: Path | None, as_json: bool, kind: str = "txt2img-images") -> None:
    """Draw requests together and print the path of each picture as it is done.

    kind: the folder of a day's pictures where `out` names none. Ends the process with the exit code unless all is well.
    """
    from easel.cli.album import Album
    from easel.core.settings import read_settings

    pictures = sum(request.batch_size for request in requests)
    film = film_file(out, requests)
    album = Album(None if film else out, read_settings().outputs, pictures=pictures, kind=kind)
    album.check()
    follow(requests, album.keep, as_json=as_json, film=lambda request, frames: album.film(request, frames, film))


def film_file(out: Path | None, requests: Sequence[Request]) -> Path | None:
    """Return the one file that a film is to be, None where it stands with its frames. Raises BadValue.

    A clip whose `out` is called as films are has its frames in the day's folder.
    """
    if out is None or out.is_dir() or not any(request.motion for request in requests):
        return None
    ending = out.suffix.casefold().removeprefix(".")
    if ending not in get_args(Film):
        return None
    if len(requests) > 1:
        raise BadValue("--out", str(out), f"a folder for {len(requests)} clips", remedy="a file takes one film")
    motion = requests[0].motion
    if motion is not None and motion.format != ending:
        raise BadValue("--out", str(out), f"a name that ends in .{motion.format}", remedy=f"or give --format {ending}")
    return out


def follow(
    requests: Sequence[Request],
    keep: Keep,
    *,
    as_json: bool,
    finish: Callable[[Display], None] = lambda display: None,
    film: KeepFilm | None = None,
) -> None:
    """Draw requests together, giving each picture to `keep` as it is done, then `finish` where none failed.

    film: is given each clip's frames.

    Ends the process with the exit code unless all is well.
    """
    from easel import app
    from easel.cli.display import open_display
    from easel.cli.drawing import Drawing, no_film, stop_signals
    from easel.core.settings import read_settings

    settings = read_settings()
    with open_display(requests, as_json=as_json) as display:
        with stop_signals(leave_at_once):  # an exception in the middle of torch's import might be swallowed there
            client = app.open_client(settings)
        with closing(client):
            try:
                code = Drawing(client, requests, keep, display, film or no_film).finish()
            except KeyboardInterrupt as stop:
                leave_at_once(stop.args[0] if stop.args else STOPPED)
        if code == OK:
            finish(display)
    if code != OK:
        raise typer.Exit(code)
