"""What each user wants new forms to begin with: values of controls, by form.py's names, kept in the queue's store.

The page's scripts ask for them by a route. Knows no widgets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from fastapi import FastAPI
from fastapi import Request as HttpRequest

from easel.core.caller import Caller
from easel.core.errors import RequestError
from easel.core.request import Request
from easel.ui.form import COUNT, STYLES, from_request, to_request
from easel.ui.house import House, caller_of

ROUTE = "/files/settings"
REALM = "page"  # under which the store keeps them, beside other doors' settings
FRESH = Request(preview_every=2)  # what a form shows before anybody has said anything


def add(web: FastAPI, house: House) -> None:
    """Add the route that tells the asker's own."""

    @web.get(ROUTE, include_in_schema=False)
    def mine(request: HttpRequest) -> dict[str, Any]:
        """Tell what the asker has said."""
        return wanted(house, caller_of(request))

    _ = mine


def usual() -> dict[str, Any]:
    """Return the values of a form before anybody has said anything."""
    return from_request(FRESH)


def wanted(house: House, caller: Caller) -> dict[str, Any]:
    """Return what a user has said, as far as it can still be asked for."""
    return dict(possible(house.store.options(caller.name, REALM)))


def possible(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the values that make a request, alone and together with those before; another version may have had more."""
    known, good = usual(), {}
    for place, value in values.items():
        if place not in known and place not in (COUNT, STYLES):
            continue
        with suppress(RequestError, TypeError):
            to_request({**known, **good, place: value})
            good[place] = value
            yield place, value


def keep(house: House, caller: Caller, values: Mapping[str, Any]) -> int:
    """Keep what differs from the usual, take back what does not, and return how many are kept.

    Raises RequestError and ModelError for what nobody could ask for; nothing is changed then. StorageError.
    """
    known = usual()
    house.check(to_request({**known, **values}))
    said = {place: None if alike(value, known.get(place)) else value for place, value in values.items()}
    house.store.set_options(caller.name, REALM, said)
    return sum(value is not None for value in said.values())


def alike(one: Any, other: Any) -> bool:
    """Return whether two values of a control say the same: nothing said is nothing, however it is written."""
    empty = (None, "", [])
    return one == other or (one in empty and other in empty)
