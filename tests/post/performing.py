"""Runs a generator of work to its end, as the engine would, and tells which kinds of work it asked for."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

from easel.core.work import Load, Wanted, Work

Value = TypeVar("Value")


def performed(
    story: Generator[Work, Any, Value], load: Callable[[Wanted], Any] | None = None
) -> tuple[Value, list[Work]]:
    """Return what a story ends with, and its work."""
    works: list[Work] = []
    answer: Any = None
    while True:
        try:
            work = story.send(answer)
        except StopIteration as end:
            return end.value, works
        works.append(work)
        if isinstance(work, Load):
            assert load is not None, work.wanted
            answer = load(work.wanted)
        else:
            answer = work.call()  # type: ignore[union-attr]
