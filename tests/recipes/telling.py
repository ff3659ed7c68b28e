"""Tells a recipe alone, without an engine, and keeps the work that it asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from easel.core.request import Request
from easel.core.result import Picture
from easel.core.work import Wanted, Work
from easel.engine.runner import Perform, perform
from easel.models.family import Model
from easel.recipes.common import tell

QUICK: dict[str, Any] = {"steps": 4, "width": 64, "height": 64, "seed": 3}


def ask(**changes: Any) -> Request:
    """A quick request for a fox, with changes."""
    fields: dict[str, Any] = {"prompt": "a fox", **QUICK, **changes}
    return Request(**fields)


def by_name(models: Mapping[str, Model]) -> Callable[[Wanted], Any]:
    """Answer what is wanted from models by name."""
    return lambda wanted: models[wanted.name]


def told(request: Request, model: Model, perform: Perform = perform) -> tuple[list[Work], tuple[Picture, ...]]:
    """Run a recipe alone; return the work it asked for and its pictures."""
    story = tell(request, model)
    works: list[Work] = []
    outcome: Any = None
    while True:
        try:
            works.append(story.send(outcome))
        except StopIteration as stop:
            return works, stop.value
        (outcome,) = perform([works[-1]])
        if isinstance(outcome, Exception):
            raise outcome


def close_at_every_yield(request: Request, model: Model, perform: Perform = perform) -> int:
    """Close the request's recipe at each of its yields in turn, and return how many there are.

    A closed one must have nothing more to say.
    """
    count = len(told(request, model, perform)[0])
    for stop in range(1, count + 1):
        story = tell(request, model)
        outcome: Any = None
        for _ in range(stop):
            (outcome,) = perform([story.send(outcome)])
        story.close()
        with pytest.raises(StopIteration):
            next(story)
    return count
