"""Many clients at once: no answer of 500 and above, no event lost, users served alike, streams that hold no thread."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from easel.api.security import header_of
from easel.api.users import Secret, new_key, with_password
from easel.core.request import Request
from tests.api.dialects import serving
from tests.api.load import WAYS, Person, Wish, lacks, load, waiting
from tests.jobs.playing import Player

CLIENTS = 16
STREAMS = 100
NOBODY = Person("")


def people(number: int) -> tuple[list[Person], list[Secret]]:
    """Return so many users, by password and by key in turn, and what a server keeps of them."""
    known: list[Secret] = []
    found: list[Person] = []
    for at in range(number):
        name = f"user{at}"
        key, secret = new_key(name)
        by_key = at % 2 == 1
        found.append(Person(name, header_of("", key) if by_key else header_of(name, "secret")))
        known.append(secret if by_key else with_password(name, "secret"))
    return found, known


def test_many_clients_of_many_users(tmp_path: Path) -> None:
    """Closed loops of equal wishes: whoever is served less by the queue's turns is behind at the end."""
    users, known = people(4)
    with serving(tmp_path, Player(pace=0.01), users=known) as served:
        counted = asyncio.run(load(served.url, users, CLIENTS, 6.0, most_steps=8))
        jobs = served.store.counts()
    assert set(counted.statuses) <= {200, 202}, counted.wrong
    assert counted.missing == []
    assert set(counted.seconds) == set(WAYS)
    assert counted.streams >= len(counted.seconds["/v1/jobs and its events"]) + len(
        counted.seconds["the same as a stream"]
    )
    assert counted.unfairness(counted.pictures) <= 0.25
    assert jobs["done"] == sum(jobs.values())


@pytest.mark.parametrize(
    ("names", "steps", "said"),
    [
        (["queued", "began", "progress", "progress", "ended"], [1, 2], ""),
        (["progress", "ended"], [2], ""),
        (["ended"], [], ""),
        (["queued", "began", "progress", "progress"], [1, 2], "ends with"),
        (["queued", "progress", "began", "progress", "ended"], [1, 2], "out of order"),
        (["queued", "ended"], [], "never began"),
        (["began", "progress", "progress", "ended"], [0, 2], "left out"),
        (["began", "progress", "ended"], [0], "last step was"),
        (["began", "ended"], [], "last step was"),
    ],
)
def test_a_lost_event_is_seen(names: list[str], steps: list[int], said: str) -> None:
    left = iter(steps)
    end = {"id": "one", "state": "done"}
    told = [(name, {"step": next(left)} if name == "progress" else end) for name in names]
    found = lacks(told, Wish("one", "a fox", 2, "Euler", 64, 1))
    assert bool(found) == bool(said)
    assert said in " ".join(found)


def test_waiting_streams_hold_no_threads(tmp_path: Path) -> None:
    """What waits is in the server's loop alone: a hundred streams take no more threads than a dozen."""
    with serving(tmp_path, Player()) as served:
        ids = [served.store.submit(Request(prompt="wait"), id=f"job-{number}").id for number in range(STREAMS)]
        paths = [f"/v1/jobs/{id}/events" for id in ids]

        def threads(streams: int) -> int:
            seen: list[int] = []

            async def look() -> None:
                seen.append(threading.active_count())

            assert asyncio.run(waiting(served.url, paths[:streams], NOBODY, look)) == streams
            return seen[0]

        threads(STREAMS)  # the server's pool of threads has grown then
        few = threads(50)
        assert threads(STREAMS) <= few + 2
        for id in ids:
            served.store.cancel(id)
