"""What there is to choose for a part: preprocessors, control models, upscalers and the like, as the house has it now.

Each list is entries {"value", "name"}, perhaps with what else is known of them, and a line for where there is none.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from easel.core.caller import Caller
from easel.core.errors import ModelError
from easel.models.library.kinds import KINDS
from easel.models.library.names import Library
from easel.ui.house import House
from easel.ui.live import Function, Wishes
from easel.ui.words import Words

PATIENCE = 0.5  # seconds in which new files are read before they are listed
FILES = {  # lists of files, by the kinds of these
    "controls": ("controlnet", "t2i_adapter"),
    "image_prompts": ("ip_adapter",),
    "readers": ("clip_vision",),
    "detectors": ("detector",),
    "restorers": ("face_restorer",),
    "models": ("checkpoint",),
}
Entry = dict[str, Any]


def lists_of(house: House, say: Words) -> Function:
    """Return the function that tells every list."""

    def lists(wishes: Wishes, caller: Caller) -> dict[str, Any]:
        from easel.post.upscalers import PIXELS, names_of
        from easel.sampling import samplers, schedules

        library = house.library
        found = {name: files(library, kinds) for name, kinds in FILES.items()}
        found["preprocessors"] = preprocessors(library, say)
        found["upscalers"] = named(names_of(library, PIXELS))
        found["backgrounds"] = [{"value": "flat", "name": say("parts.flat")}, *files(library, ("background",))]
        found["samplers"], found["schedules"] = named(samplers.names), named(schedules.names)
        none = {name: say("parts.no_file", folder=KINDS[kinds[0]].folders[0]) for name, kinds in FILES.items()}
        return {"lists": found, "none": none}

    return lists


def named(names: Iterable[str]) -> list[Entry]:
    """Return names that stand for themselves."""
    return [{"value": name, "name": name} for name in names]


def files(library: Library, kinds: Iterable[str]) -> list[Entry]:
    """Return the files of some kinds, with the family that each is for where that is known."""
    found: list[Entry] = []
    for kind in kinds:
        for entry in library.entries(kind, within=PATIENCE):
            words = ""
            with suppress(ModelError):
                identity = entry.identity()
                words = identity.words if identity is not None else ""
            found.append({"value": entry.name, "name": entry.name, "note": words})
    return found


def preprocessors(library: Library, say: Words) -> list[Entry]:
    """Return the preprocessors with their options; those whose files are not there say so."""
    from easel.models.readers import all_preprocessors
    from easel.models.readers.files import missing

    found: list[Entry] = []
    for entry in all_preprocessors():
        limits = entry.facts["limits"]
        lacks = bool(missing(entry.facts.get("needs", ()), library))
        key = f"preprocessor.{entry.name}"
        found.append(
            {
                "value": entry.name,
                "name": say(key) if say.has(key) else entry.facts["label"],
                "group": entry.facts["control"],
                "lacks": lacks,
                "options": [
                    {"name": name, "value": one.default, "least": limits[name][0], "greatest": limits[name][1]}
                    for name, one in entry.options.items()
                ],
            }
        )
    return found
