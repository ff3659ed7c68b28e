"""The tab "gallery": all finished pictures by day, searched, liked, sent to other tabs, taken home as a zip.

The grid is drawn by js/gallery.js, which asks the functions here. Knows the store, and no database.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from easel.core.caller import Caller
from easel.core.limits import Name
from easel.core.motion import Motion
from easel.core.values import Value
from easel.jobs.showing import Look
from easel.prompt.infotext import read
from easel.ui import files, links
from easel.ui.house import House
from easel.ui.live import Function, Wishes, live
from easel.ui.results import sent_by
from easel.ui.tab import Page, Tab

PAGE = 60  # jobs whose pictures come at once
LONGEST_ALT = 160  # characters of a prompt that stand for its picture
TARGETS = ("create", "edit", "control", "enlarge", "info")  # tabs that take a picture or its settings


class Which(Value):
    """One picture: its job's id, and which of its pictures, from 0."""

    job: Name
    number: Annotated[int, Field(ge=0, le=10**6)] = 0


class Liked(Which):
    """One picture, and whether it is a favourite."""

    on: bool


class Asked(Value):
    """Which pictures are to be shown. before: what the page before gave as `next`."""

    search: Name = ""
    before: Name | None = None
    liked: bool = False
    day: Annotated[str, Field(max_length=10)] | None = None


def build(page: Page) -> None:
    """Make the tab's one widget."""
    targets = [name for name in TARGETS if page.takes(name)]
    grid = live(
        page,
        "gallery",
        answers(page.house),
        events=[f"to_{name}" for name in targets],
        zip=files.ZIP,
        targets=[{"name": name, "label": page.say(f"tab.{name}")} for name in targets],
    )
    for name in targets:
        page.send(getattr(grid, f"to_{name}"), name, sent_by(page.house), [])


def answers(house: House) -> Sequence[Function]:
    """Return what the script may ask."""
    store = house.store

    def pictures(wishes: Wishes, caller: Caller) -> dict[str, Any]:
        asked = Asked.model_validate(wishes)
        found = store.pictures(caller.sees, asked.search, asked.before, PAGE, liked=asked.liked, day=asked.day)
        return {"pictures": [shown(look, caller) for look in found.pictures], "next": found.next}

    def days(wishes: Wishes, caller: Caller) -> list[dict[str, Any]]:
        return [{"day": one.day, "pictures": one.pictures} for one in store.days(caller.sees)]

    def about(wishes: Wishes, caller: Caller) -> dict[str, Any]:
        which = Which.model_validate(wishes)
        kept = store.picture(which.job, which.number, caller.sees).kept
        return {"infotext": kept.infotext, "file": kept.file.rpartition("/")[2]}

    def like(wishes: Wishes, caller: Caller) -> dict[str, Any]:
        asked = Liked.model_validate(wishes)
        store.favourite(asked.job, asked.number, asked.on, caller.sees)
        return {"favourite": asked.on}

    return pictures, days, about, like


def shown(look: Look, caller: Caller) -> dict[str, Any]:
    """Return what the grid needs of a picture."""
    kept = look.kept
    return {
        "job": look.job,
        "number": look.number,
        "day": look.day,
        "created": look.created,
        "small": links.small(look.job, look.number),
        "picture": links.picture(look.job, look.number),
        "film": links.film(look.job) if (format := film_of(look)) else "",
        "format": format,
        "zip": links.day(look.day),
        "width": kept.width,
        "height": kept.height,
        "seed": kept.seed,
        "favourite": kept.favourite,
        "alt": alt(kept.infotext),
        "user": look.user if look.user != caller.name else "",
    }


def film_of(look: Look) -> str:
    """Return the format of the film that a clip's first frame stands for, "" for any other picture."""
    if look.number or "Motion: " not in look.kept.infotext:
        return ""
    told = read(look.kept.infotext).fields
    return told.get("Motion format", Motion.model_fields["format"].default) if "Motion" in told else ""


def alt(infotext: str) -> str:
    """Return the prompt of an infotext, as what stands for its picture."""
    prompt = infotext.partition("\nNegative prompt:")[0].partition("\nSteps:")[0]
    words = " ".join(prompt.removeprefix("Steps:").split()) if not infotext.startswith("Steps:") else ""
    return words if len(words) <= LONGEST_ALT else words[: LONGEST_ALT - 1] + "…"


TAB = Tab("gallery", build)
