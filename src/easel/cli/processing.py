"""What `easel process`, `enlarge`, `faces` and `cutout` share: finished pictures worked on, nothing drawn anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from easel.core.errors import BadValue

KIND = "extras-images"  # A1111's folder of what was only worked on
CLEAR = (".png", ".webp")  # keep transparency

Files = Annotated[list[Path], typer.Argument(metavar="FILE", help="The pictures.", show_default=False)]


def process_files(files: Sequence[Path], parts: Mapping[str, Any], *, out: Path | None, as_json: bool) -> None:
    """Work on pictures together as `parts` of a request say. Raises RequestError in the words of the options."""
    from easel.cli import wishes
    from easel.cli.draw import draw
    from easel.cli.pictures import picture_bytes

    asked = [
        {**parts, "recipe": "process", "seed": 0, "start": {"image": picture_bytes("FILE", file)}, "prompt": ""}
        for file in files
    ]
    requests = wishes.requests_for(asked, {}, wordless=True)
    for request in requests:
        wishes.check_names(request)
    ground = requests[0].background
    clear = ground is not None and not (ground.colour or ground.image or ground.mask_only)
    if clear and out is not None and out.suffix.casefold() in (".jpg", ".jpeg"):
        raise BadValue("--out", str(out), "a .png or .webp file", remedy="a JPEG cannot be transparent")
    draw(requests, out=out, as_json=as_json, kind=KIND)
