"""How long the history of a queue takes to look through: 100,000 ended jobs in SQLite, a page of 50 at a time.

Writes a queue into a folder of its own, and takes it away again.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from statistics import median
from time import perf_counter

from rich.console import Console
from rich.table import Table
from sqlalchemy import insert

from easel.core.request import Request
from easel.jobs.store import Store, open_store
from easel.jobs.tables import jobs, pictures, requests

JOBS = 100_000
USERS = 7
ROUNDS = 5


def fill(store: Store, number: int) -> None:
    """Put ended jobs with a picture each into a queue, many at once; one of a hundred has failed."""
    body = Request(prompt="a red fox in the snow").settled().model_dump_json()
    words = "a red fox in the snow, " * 12
    with store._base.writing() as base:
        for at in range(1, number + 1, 10_000):
            numbers = range(at, min(at + 10_000, number + 1))
            stems = {one: f"2026-{1 + one * 12 // (number + 1):02d}-{1 + one % 28:02d}/{one:032x}" for one in numbers}
            base.execute(
                insert(jobs),
                [
                    {
                        "number": one,
                        "id": f"j{one}",
                        "user": f"user {one % USERS}",
                        "state": "done" if one % 100 else "failed",
                        "priority": 0,
                        "rank": one,
                        "created": 1e9 + one,
                        "started": 1e9 + one,
                        "ended": 1e9 + one,
                        "attempts": 1,
                        "stem": stems[one],
                    }
                    for one in numbers
                ],
            )
            base.execute(insert(requests), [{"job": one, "body": body, "words": f"j{one}\n{words}"} for one in numbers])
            facts = {"place": 0, "seed": 7, "infotext": words * 2, "width": 512, "height": 512, "bytes": 400_000}
            base.execute(insert(pictures), [{"job": one, "file": f"{stems[one]}-0.png", **facts} for one in numbers])


def milliseconds(what: Callable[[], object]) -> float:
    """Return the median time of a call."""
    times: list[float] = []
    for _ in range(ROUNDS):
        began = perf_counter()
        what()
        times.append(perf_counter() - began)
    return median(times) * 1000


def main(number: int) -> None:
    """Print the table for so many jobs."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/jobs.sqlite")
        fill(store, number)
        middle = f"j{number // 2 // USERS * USERS + 1}"  # a job of user 1
        asked: dict[str, Callable[[], object]] = {
            "the first page": lambda: store.list(),
            "a page from the middle": lambda: store.list(before=middle),
            "of one user": lambda: store.list("user 1", before=middle),
            "that failed": lambda: store.list(states=["failed"]),
            "of one user that failed": lambda: store.list("user 1", ["failed"], before=middle),
            "with a word that all have": lambda: store.list(search="fox"),
            "with a word that none has": lambda: store.list(search="zebra"),
            "of one user, with a word that none has": lambda: store.list("user 1", search="zebra"),
            "of one day": lambda: store.list(day="2026-06-14"),
            "the days, with their bytes": lambda: store.days(),
            "the days of one user": lambda: store.days("user 1"),
            "what is older than a date": lambda: store.prunable(ended_before=1e9 + number / 100),
            "what is more than so many bytes": lambda: store.prunable(most_bytes=10**12),
        }
        table = Table("asked of the history", "ms", title=f"{number} ended jobs, SQLite")
        table.columns[1].justify = "right"
        for name, what in asked.items():
            table.add_row(name, f"{milliseconds(what):.1f}")
        store.close()
    Console().print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else JOBS)
