"""`easel process`: finished pictures made larger, with better faces, before another background, in one go."""

from __future__ import annotations

from easel.cli.options import AsJson, Out
from easel.cli.parts import Behind, Enlarged, Restored
from easel.cli.processing import Files
from easel.core.errors import BadValue


def process(
    files: Files,
    enlarge: Enlarged = None,
    faces: Restored = None,
    background: Behind = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Enlarge, restore faces and cut out in one go.

    Nothing is drawn anew. The order is faces, enlarging, cutting out; with first=true in --enlarge, that goes first.
    """
    from easel.cli.parts import parts_of
    from easel.cli.processing import process_files

    parts = parts_of(enlarge=enlarge, faces=faces, background=background)
    if not parts:
        raise BadValue("what to do", None, "--enlarge, --faces or --background", remedy="for example --enlarge 4")
    process_files(files, parts, out=out, as_json=as_json)
