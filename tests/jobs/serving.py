"""A server to be killed: it submits jobs, runs them with a scripted engine, and says what it has promised."""

from __future__ import annotations

import threading
from multiprocessing.connection import Connection
from pathlib import Path

from easel.core.errors import BadValue
from easel.core.request import Request
from easel.jobs.store import open_store
from easel.jobs.worker import Worker
from tests.jobs.playing import Player

PICTURES = 2  # of each job
ATTEMPTS = 1000  # nothing here is to fail for having died often


def asked(number: int) -> Request:
    """Return the request of a job by its number."""
    return Request(prompt=f"number {number}", seed=1000 * number, batch_size=PICTURES, steps=1 + number % 5)


def serve(url: str, album: Path, first: int, last: int, promised: Connection) -> None:
    """Submit the jobs from `first` to before `last`, name each when the answer is there, and work until killed."""
    store = open_store(url, most_attempts=ATTEMPTS)
    Worker(store, Player(pace=0.02), album, at_once=8, lease=0.5).start()
    for number in range(first, last):
        try:
            store.submit(asked(number), user=f"user {number % 3}", id=f"job-{number}")
        except BadValue:  # an earlier server took it and died before it could say so
            assert store.get(f"job-{number}").request == asked(number)
        promised.send(number)
    threading.Event().wait()
