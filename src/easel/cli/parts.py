"""The options of what leads beside the words and of what becomes of finished pictures. Nothing here draws.

How their texts are read stands in spelled.py, as do their names.
"""

from __future__ import annotations

from typing import Annotated, Any

from easel.cli.options import option

LEAD, FINISH = "Control (docs/control.md)", "Afterwards (docs/detailer.md, docs/enlarging.md)"
Details = Annotated[
    list[str] | None,
    option(FINISH, "--detail", "WORDS,...", "Paint what is found anew: face,prompt=...,strength=0.4; may be repeated."),
]
Enlarged = Annotated[
    str | None, option(FINISH, "--enlarge", "SCALE,...", "Make it larger: 4,upscaler=starter-x4 [Lanczos].")
]
Restored = Annotated[
    list[str] | None, option(FINISH, "--faces", "NAME,...", "Restore faces: GFPGAN,visibility=0.8; may be repeated.")
]
Behind = Annotated[
    str | None, option(FINISH, "--background", "MODEL,...", "Cut out: flat,colour=white; transparent without a colour.")
]


def part_options(
    control: Annotated[
        list[str] | None,
        option(LEAD, "--control", "FILE,...", "Lead by a hint: x.png,model=NAME,preprocessor=canny,weight=0.8; again."),
    ] = None,
    picture: Annotated[
        list[str] | None,
        option(LEAD, "--picture", "FILE,...", "A picture in the place of words: x.png,model=NAME,weight=0.7; again."),
    ] = None,
    detail: Details = None,
    enlarge: Enlarged = None,
    faces: Restored = None,
    background: Behind = None,
) -> dict[str, Any]:
    """Return the request's parts that were given. Raises BadValue or UnknownName in the words of the options."""
    return parts_of(
        controls=control, image_prompts=picture, details=detail, enlarge=enlarge, faces=faces, background=background
    )


def parts_of(**given: list[str] | str | None) -> dict[str, Any]:
    """Return the parts of a request that texts say, by their names there. Raises BadValue or UnknownName."""
    from easel.cli.spelled import spelled

    found: dict[str, Any] = {}
    for part, said in given.items():
        if isinstance(said, str):
            found[part] = spelled(part, said)
        elif said:
            found[part] = tuple(spelled(part, text) for text in said)
    return found
