"""What the queue costs: an empty one and one in which ten thousand jobs of forty users wait."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

from rich.console import Console
from rich.table import Table
from sqlalchemy import insert

from easel.core.request import Request
from easel.jobs.store import Store, open_store
from easel.jobs.tables import jobs, requests
from easel.jobs.worker import Worker
from tests.jobs.playing import Player

WAITING = 10_000
TIMES = 50


def fill(store: Store, waiting: int = WAITING) -> None:
    """Put so many jobs of forty users into the queue in one move."""
    body = Request(prompt="a cat", seed=1).model_dump_json()
    fields = {"state": "queued", "priority": 0, "created": 0.0, "attempts": 0}
    numbers = range(10**6, 10**6 + waiting)
    with store._base.writing() as base:
        rows = [
            {"number": n, "id": f"j{n}", "user": f"u{n % 40}", "rank": n, "stem": f"s{n}", **fields} for n in numbers
        ]
        base.execute(insert(jobs), rows)
        base.execute(insert(requests), [{"job": n, "body": body, "words": "a cat"} for n in numbers])


def measured(store: Store) -> dict[str, tuple[float, float]]:
    """Return of each call its median wall time and its mean processor time, in milliseconds."""
    last = store.submit(Request(prompt="the last"), priority=-1).id
    calls: dict[str, Callable[[], object]] = {
        "submit": lambda: store.submit(Request(prompt="one more"), user="anna"),
        "claim": lambda: store.claim("worker"),
        "heartbeat": lambda: store.heartbeat("worker", {}),
        "get, with its place": lambda: store.get(last),
        "list 50, with places": lambda: store.list(),
        "search": lambda: store.list(search="last"),
    }
    return {name: timed(call) for name, call in calls.items()}


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Return median wall time and mean processor time of a call, in milliseconds."""
    walls: list[float] = []
    spent = process_time()
    for _ in range(TIMES):
        began = perf_counter()
        call()
        walls.append(perf_counter() - began)
    return median(walls) * 1e3, (process_time() - spent) / TIMES * 1e3


def restart(url: str, album: Path) -> float:
    """Return the seconds from opening a full queue to the first step of a job."""
    began = perf_counter()
    store = open_store(url)
    worker = Worker(store, Player(), album)
    first = store.list(states=["queued"], limit=1)[0]
    with worker.feed.listening(first.id, lambda: None):
        worker.start()
        while store.counts()["done"] == 0:
            pass
    seconds = perf_counter() - began
    worker.close()
    store.close()
    return seconds


def main() -> None:
    """Print what each call costs and how soon a restarted server works."""
    table = Table("call", "empty: ms", "processor", f"{WAITING} wait: ms", "processor")
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/jobs.sqlite"
        store = open_store(url)
        empty = measured(store)
        fill(store)
        full = measured(store)
        store.close()
        for name in empty:
            table.add_row(name, *(f"{figure:.1f}" for figure in (*empty[name], *full[name])))
        Console().print(table)
        Console().print(f"restart with {WAITING} waiting to the first job done: {restart(url, Path(folder)):.2f} s")


if __name__ == "__main__":
    main()
