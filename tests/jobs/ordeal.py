"""kill -9 at random moments, under load, and then the count of what was promised and what is there."""

from __future__ import annotations

import multiprocessing
import random
import threading
from collections import Counter
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

from PIL import Image

from easel.jobs.job import Job
from easel.jobs.store import Store, open_store
from tests.jobs.playing import colour
from tests.jobs.serving import asked, serve

LIFE = (0.05, 0.7)  # seconds between which a server's life ends
PATIENCE = 300.0  # seconds for the last server to end all that is left


class Tally(NamedTuple):
    """What came of it. again: jobs that were begun more than once; strays: files that no row names."""

    kills: int
    jobs: int
    lost: int
    doubled: int
    wrong: int
    strays: int
    again: int


def ordeal(url: str, album: Path, *, kills: int, jobs: int, seed: int, beside: bool = False) -> Tally:
    """Let servers submit and run so many jobs, kill each but the last without warning, and count.

    beside: another server works on the same queue all the time.
    """
    context, chance = multiprocessing.get_context("forkserver"), random.Random(seed)
    context.set_forkserver_preload(["tests.jobs.serving"])
    ears, mouth = context.Pipe()
    steady = context.Process(target=serve, args=(url, album, 0, 0, mouth))
    if beside:
        steady.start()
    promised = 0
    for life in range(kills + 1):
        ours, theirs = context.Pipe()
        last = jobs * (life + 1) // (kills + 1)
        process = context.Process(target=serve, args=(url, album, promised, last, theirs))
        process.start()
        theirs.close()
        said = [promised]
        ear = threading.Thread(target=listen, args=(ours, said))  # a pipe that nobody empties would hold the server up
        ear.start()
        if life < kills:
            sleep(chance.uniform(*LIFE))
        else:
            await_all(url, jobs)
        process.kill()
        process.join()
        ear.join()
        promised = max(said)
        process.close()
        ours.close()
    if beside:
        steady.kill()
        steady.join()
    steady.close()
    ears.close()
    mouth.close()
    assert promised == jobs
    store = open_store(url)
    tally = counted(store, album, kills, jobs)
    store.close()
    return tally


def listen(pipe: Connection, said: list[int]) -> None:
    """Note what a server says until it dies: of each job the number of the next."""
    with suppress(EOFError, ConnectionResetError):
        while True:
            said.append(pipe.recv() + 1)


def await_all(url: str, jobs: int) -> None:
    """Wait until so many jobs are done."""
    store, until = open_store(url), monotonic() + PATIENCE
    while store.counts()["done"] < jobs:
        assert monotonic() < until, store.counts()
        sleep(0.05)
    store.close()


def counted(store: Store, album: Path, kills: int, jobs: int) -> Tally:
    """Return what is there, each picture looked at."""
    found: dict[str, Job] = {id: store.get(id) for id in (f"job-{number}" for number in range(jobs))}
    rows = Counter(kept.file for job in found.values() for kept in job.pictures)
    files = {path.relative_to(album).as_posix() for path in album.rglob("*") if path.is_file()}
    lost = sum(
        found[f"job-{number}"].state != "done"
        or tuple(kept.seed for kept in found[f"job-{number}"].pictures) != asked(number).seeds
        for number in range(jobs)
    )
    return Tally(
        kills=kills,
        jobs=sum(store.counts().values()),
        lost=lost,
        doubled=sum(count - 1 for count in rows.values()),
        wrong=sum(not right(album / kept.file, kept.seed) for job in found.values() for kept in job.pictures),
        strays=len(files - set(rows)),
        again=sum(job.attempts > 1 for job in found.values()),
    )


def right(file: Path, seed: int) -> bool:
    """Return whether a file is whole and the picture of its seed."""
    try:
        with Image.open(file) as image:
            image.load()
            return image.getpixel((0, 0)) == colour(seed)
    except OSError:
        return False
