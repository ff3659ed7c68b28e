"""What the server costs and stands: python -m benchmarks.serving [overhead|clients|waiting|restart].

    overhead   what a picture costs over HTTP beside the same in the engine alone, and where that goes
    clients    64 programs of 8 users through every dialect: answers, events, fairness, pictures a second
    waiting    1,000 clients on event streams: memory and processor
    restart    10,000 waiting jobs, kill -9, and the seconds to the first step

Without a name, all of them. The server is a process of its own, so the figures of its processor and memory are its own.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import multiprocessing
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter, process_time, sleep
from typing import Any
from urllib.parse import urlsplit

import psutil
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks._server import Started, environment, more_files, started
from benchmarks.jobs import fill
from easel.api.security import header_of
from easel.api.users import new_key, with_password, write_users
from easel.app import open_client
from easel.core.client import Done, EngineClient
from easel.core.request import Request
from easel.core.result import Picture
from easel.core.settings import Settings
from easel.jobs.album import keep
from easel.jobs.store import open_store
from tests.api.dialects import serving
from tests.api.load import Counted, Person, load, waiting
from tests.jobs.playing import Player

TINY = {"prompt": "a fox", "steps": 2, "width": 64, "height": 64, "seed": 7, "sampler": "Euler"}
WARMING = 3  # rounds before anything is counted
STREAMS = 1000
WAITERS = 100  # users that they are of
QUEUED = 10_000
FIRST_STEP = """
from time import perf_counter
began = perf_counter()
from easel.app import open_client
from easel.core.client import Progressed
from easel.core.request import Request
from easel.core.settings import read_settings
client = open_client(read_settings())
run = client.submit(Request(prompt="a cat", seed=1))
for event in client.events(run):
    if isinstance(event, Progressed) and event.step:
        break
print(perf_counter() - began, flush=True)
import os
os._exit(0)
"""
Timed = dict[str, list[float]]


def milliseconds(call: Callable[[], object], times: list[float]) -> None:
    """Call, and add how long it took."""
    began = perf_counter()
    call()
    times.append((perf_counter() - began) * 1e3)


def overhead(rounds: int) -> None:
    """Print what a tiny request costs alone, by the engine and by each dialect, asked in turn."""
    console, walls = Console(), Timed()
    spent: dict[str, list[float]] = {}
    with TemporaryDirectory() as folder, started(Path(folder)) as server:
        client = open_client(Settings(models=Path(folder) / "models", outputs=Path(folder) / "outputs"))
        place = urlsplit(server.url)
        web = http.client.HTTPConnection(place.hostname or "", place.port, timeout=600)
        a1111 = {**TINY, "sampler_name": TINY["sampler"], "cfg_scale": 2.5}
        easel = {name: TINY[name] for name in ("steps", "seed", "sampler")}
        openai = {"prompt": TINY["prompt"], "size": "64x64", "easel": easel}
        ways: dict[str, Callable[[], object]] = {
            "the engine alone": partial(drawn_alone, client),
            "/v1/jobs, then ?wait": partial(drawn_natively, web),
            "/sdapi/v1/txt2img": partial(asked, web, "POST", "/sdapi/v1/txt2img", a1111),
            "/v1/images/generations": partial(asked, web, "POST", "/v1/images/generations", openai),
            "an answer without work": partial(asked, web, "GET", "/internal/ping"),
        }
        for number in range(rounds + WARMING):
            for name, way in ways.items():
                own = name == "the engine alone"
                web.close()  # a server ends connections that are silent for some seconds
                web.connect()
                before = process_time() if own else server.processor
                milliseconds(way, walls.setdefault(name, []))
                spent.setdefault(name, []).append((process_time() if own else server.processor) - before)
            if number < WARMING:
                for times in (*walls.values(), *spent.values()):
                    times.clear()
        client.close()
    table = Table(
        "way", "p50 ms", "p95 ms", "over the engine: p50 ms", "processor ms", title=f"{rounds} rounds in turn"
    )
    alone = median(walls["the engine alone"])
    for name, times in walls.items():
        over = "" if name in ("the engine alone", "an answer without work") else f"{median(times) - alone:.1f}"
        used = sum(spent[name]) / len(spent[name]) * 1e3
        table.add_row(name, f"{median(times):.1f}", f"{at95(times):.1f}", over, f"{used:.1f}")
    console.print(table)
    console.print(parts(rounds))


def drawn_alone(client: EngineClient) -> None:
    """Draw the tiny request by an engine of this process."""
    for event in client.events(client.submit(Request(**TINY))):
        if isinstance(event, Done):
            return
    raise RuntimeError("it was not drawn")


def drawn_natively(web: http.client.HTTPConnection) -> None:
    """Draw the tiny request by /v1/jobs."""
    id = asked(web, "POST", "/v1/jobs", TINY)["id"]
    if asked(web, "GET", f"/v1/jobs/{id}?wait=60")["state"] != "done":
        raise RuntimeError("it was not drawn")


def asked(web: http.client.HTTPConnection, method: str, path: str, body: Any = None) -> Any:
    """Return the answer to a call, by a connection that is kept; raises RuntimeError for one of 400 and above."""
    text = None if body is None else json.dumps(body)
    web.request(method, path, text, {"Content-Type": "application/json"} if text else {})
    answer = web.getresponse()
    said = answer.read()
    if answer.status >= 400:
        raise RuntimeError(f"{path}: {answer.status} {said.decode()}")
    return json.loads(said)


def parts(rounds: int) -> Table:
    """Return a table of what the queue and the album take of that, each alone."""
    walls, store_walls = Timed(), Timed()
    picture = Picture(Image.effect_noise((64, 64), 64).convert("RGB"), 7, "a fox\nSteps: 2, Seed: 7")
    with TemporaryDirectory() as folder:
        store, album = open_store(f"sqlite:///{folder}/jobs.sqlite"), Path(folder) / "album"
        for number in range(rounds + WARMING):
            into = walls if number >= WARMING else store_walls
            id = f"job-{number}"
            request = Request(**TINY)
            milliseconds(
                partial(store.submit, request, id=id), into.setdefault("submit: the job on disk, waited for", [])
            )
            milliseconds(partial(store.claim, "worker"), into.setdefault("claim", []))
            stem = store.get(id).stem
            milliseconds(
                partial(keep, album, stem, [picture]), into.setdefault("save the picture, on disk, waited for", [])
            )
            kept = keep(album, stem, [picture])
            milliseconds(partial(store.finish, id, "worker", kept), into.setdefault("finish", []))
            milliseconds(partial(store.get, id), into.setdefault("get", []))
        store.close()
    table = Table("part", "p50 ms", "p95 ms", title="of that, in the queue and the album")
    for name, times in walls.items():
        table.add_row(name, f"{median(times):.2f}", f"{at95(times):.2f}")
    return table


def at95(times: Sequence[float]) -> float:
    """Return the time that 95 of a hundred stay below."""
    return quantiles(times, n=20)[-1] if len(times) > 1 else times[0]


def clients(minutes: float, number: int, users: int) -> None:
    """Print what programs of several users were told while they asked for pictures without end."""
    with TemporaryDirectory() as folder:
        people = known_people(Path(folder) / "users", users)
        with started(Path(folder), "--users", str(Path(folder) / "users")) as server:
            before, memory = server.processor, Resident(server)
            began = perf_counter()
            counted = asyncio.run(load(server.url, people, number, minutes * 60))
            seconds, spent = perf_counter() - began, server.processor - before
            shown_clients(counted, minutes * 60)
            Console().print(
                f"{seconds:.0f} s to the last answer, {spent:.0f} processor seconds of the server, "
                f"{spent / max(counted.pictures.total(), 1) * 1e3:.0f} ms a picture; memory {memory.told()}"
            )


def known_people(file: Path, number: int) -> list[Person]:
    """Return users, every second by a key and the others by a password, and write what the server keeps of them."""
    found: list[Person] = []
    secrets = []
    for at in range(number):
        name = f"user{at}"
        key, secret = new_key(name)
        found.append(Person(name, header_of("", key) if at % 2 else header_of(name, f"password {at}")))
        secrets.append(secret if at % 2 else with_password(name, f"password {at}"))
    write_users(file, secrets)
    return found


def shown_clients(counted: Counted, seconds: float) -> None:
    """Print what was counted."""
    console = Console()
    table = Table("dialect", "pictures", "p50 s", "p95 s")
    for name, times in sorted(counted.seconds.items()):
        table.add_row(name, str(len(times)), f"{median(times):.2f}", f"{at95(times):.2f}")
    console.print(table)
    table = Table("user", *counted.pictures)
    table.add_row("pictures", *map(str, counted.pictures.values()))
    table.add_row("steps", *map(str, counted.steps.values()))
    console.print(table)
    bad = sum(count for status, count in counted.statuses.items() if status >= 500)
    console.print(
        f"{counted.pictures.total()} pictures, {counted.pictures.total() / seconds:.2f} a second; "
        f"answers {dict(counted.statuses)}, of 500 and above {bad}; {counted.streams} streams, "
        f"{len(counted.missing)} with something missing; farthest from the mean of users: pictures "
        f"{counted.unfairness(counted.pictures):.1%}, steps {counted.unfairness(counted.steps):.1%}"
    )
    for line in (*counted.wrong, *counted.missing[:10]):
        console.print(line, style="red")


class Resident:
    """The resident memory of a process, in MiB, at several moments."""

    def __init__(self, of: Started | int) -> None:
        self._process = psutil.Process(of if isinstance(of, int) else of.process.pid)
        self.first = self.now()

    def now(self) -> float:
        """Return it as it is now."""
        return self._process.memory_info().rss / 2**20

    def told(self) -> str:
        """Say what it was and is."""
        return f"{self.first:.0f} MiB before, {self.now():.0f} after"


def waiting_clients(streams: int, seconds: float) -> None:
    """Print what clients that wait take of memory and processor; a scripted engine never ends what it runs."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with TemporaryDirectory() as folder:
        process = context.Process(target=stand, args=(Path(folder), streams, theirs))
        process.start()
        url = ours.recv()
        table = Table("moment", "memory MiB", "a client: KiB", "threads", "processor")
        who = psutil.Process(process.pid)
        memory = Resident(process.pid or 0)
        table.add_row("nobody waits", f"{memory.first:.1f}", "", str(who.num_threads()), idle(who, 5))

        def row(moment: str, over: float) -> None:
            used = idle(who, over)
            each = (memory.now() - memory.first) * 1024 / streams
            table.add_row(moment, f"{memory.now():.1f}", f"{each:.1f}", str(who.num_threads()), used)

        async def heard() -> None:
            await asyncio.to_thread(row, f"{streams} wait", 5.0)
            await asyncio.to_thread(row, f"{seconds:.0f} s later", seconds)

        paths = [f"/v1/jobs/job-{number}/events" for number in range(streams)]
        for time in ("once", "again"):
            asyncio.run(waiting(url, paths, Person(""), heard))
            sleep(20)  # a stream hears that its client is gone when it next says something
            row(f"all gone, {time}", 5.0)
        Console().print(table)
        ours.send("end")
        process.join()


def idle(who: psutil.Process, seconds: float) -> str:
    """Return the share of one core that a process uses for so long."""
    before = who.cpu_times()
    sleep(seconds)
    after = who.cpu_times()
    return f"{(after.user + after.system - before.user - before.system) / seconds:.1%}"


def stand(folder: Path, jobs: int, ears: Connection) -> None:
    """Serve that many jobs which never end, until told otherwise."""
    more_files()
    with serving(folder, Player()) as served:
        for number in range(jobs):
            served.store.submit(Request(prompt="wait"), f"user{number % WAITERS}", id=f"job-{number}")
        ears.send(served.url)
        ears.recv()
        for number in range(jobs):
            served.store.cancel(f"job-{number}")


def restart(jobs: int) -> None:
    """Print the seconds from a start to the first step: the engine alone, one job in the queue, and very many."""
    table = Table("start", "until it listens: s", "first step: s", "of that processor: s")
    with TemporaryDirectory() as folder:
        own = environment(Path(folder))
        for name in ("engine alone, cold disk", "engine alone"):
            said = subprocess.run([sys.executable, "-c", FIRST_STEP], env=own, capture_output=True, text=True)
            table.add_row(name, "", f"{float(said.stdout):.2f}", "")
    for name, number in (("1 job waits", 1), (f"{jobs} wait, after kill -9", jobs)):
        with TemporaryDirectory() as folder:
            file = Path(folder) / "outputs" / "jobs" / "jobs.sqlite"
            store = open_store(f"sqlite:///{file}")
            fill(store, number)
            store.close()
            if number > 1:
                first_step(Path(folder))  # which is killed in the middle of its first jobs
            table.add_row(name, *(f"{figure:.2f}" for figure in first_step(Path(folder))))
    Console().print(table)


def first_step(folder: Path) -> tuple[float, float, float]:
    """Start a server, and return the seconds until it listens, until its first step, and its processor's; kill it."""
    began = perf_counter()
    with started(folder) as server:
        while not server.metric('easel_engine_forwards_total{kind="Evaluate"}'):
            sleep(0.05)
        return server.seconds, perf_counter() - began, server.processor


def main() -> None:
    """Print the tables that were asked for."""
    asking = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asking.add_argument("what", nargs="*", help="overhead, clients, waiting, restart; all where left out")
    asking.add_argument("--rounds", type=int, default=60, help="of overhead")
    asking.add_argument("--minutes", type=float, default=10.0, help="of clients")
    asking.add_argument("--clients", type=int, default=64)
    asking.add_argument("--users", type=int, default=8)
    asking.add_argument("--streams", type=int, default=STREAMS, help="of waiting")
    asking.add_argument("--seconds", type=float, default=60.0, help="that they wait")
    asking.add_argument("--jobs", type=int, default=QUEUED, help="of restart")
    given = asking.parse_args()
    tables: dict[str, Callable[[], None]] = {
        "overhead": lambda: overhead(given.rounds),
        "clients": lambda: clients(given.minutes, given.clients, given.users),
        "waiting": lambda: waiting_clients(given.streams, given.seconds),
        "restart": lambda: restart(given.jobs),
    }
    if unknown := set(given.what) - set(tables):
        asking.error(f"{sorted(unknown)[0]!r} is none of {', '.join(tables)}")
    more_files()
    for name in given.what or tables:
        Console().rule(name)
        tables[name]()


if __name__ == "__main__":
    main()
