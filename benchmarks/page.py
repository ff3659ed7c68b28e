"""What the web page costs: python -m benchmarks.page [start|idle|gallery]; all of them where none is named.

    start    from the start of `easel serve` to its line, its first answer, and the page whole in each language
    idle     the share of one core that open pages take while nobody does anything; half of them show the queue
    gallery  the first screen of a gallery: its lists and its small pictures, in this process

A page here is what a browser keeps of one: the file, the stream that keeps its session, and the tab's own look every 15
seconds. What a browser itself computes is not measured.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks._server import Started, started
from easel.core.caller import Caller
from easel.core.request import Request
from easel.ui.gallery import answers
from easel.ui.thumbnails import small
from tests.ui.houses import ended, house_in

ROUNDS = 3
PAGES, SECONDS, LOOK = 50, 30, 15
JOBS, EACH, SCREEN = 1250, 4, 30  # 5,000 pictures; those of one screen


def start() -> Table:
    """Start servers one after another, and see when what is there."""
    table = Table(title=f"from the start of the server, medians of {ROUNDS}: seconds, and its processor seconds")
    for heading in ("", "goal", "seconds", "processor"):
        table.add_column(heading, justify="right")
    laps: dict[str, list[tuple[float, float]]] = {}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            began = perf_counter()
            with started(Path(folder)) as server:
                for name, path in (("the line", ""), ("/v1/healthz", "/v1/healthz"), ("/en", "/en/"), ("/ko", "/ko/")):
                    if path:
                        httpx.get(server.url + path, timeout=60).raise_for_status()
                    laps.setdefault(name, []).append((perf_counter() - began, server.processor))
    goals = {"/v1/healthz": "2", "/en": "2 after that"}
    for name, times in laps.items():
        table.add_row(name, goals.get(name, ""), *(f"{median(one):.2f}" for one in zip(*times, strict=True)))
    return table


def idle() -> Table:
    """Open pages, and leave them alone."""
    table = Table(title=f"{PAGES} open pages, {SECONDS} s")
    table.add_column("goal, % of one core", justify="right")
    table.add_column("%", justify="right")
    with tempfile.TemporaryDirectory() as folder, started(Path(folder)) as server:
        table.add_row("< 5", f"{asyncio.run(share(server)):.2f}")
    return table


async def share(server: Started) -> float:
    """Return how many hundredths of a core the server uses for pages that nobody touches."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=f"{server.url}/en", timeout=None, limits=limits) as client:
        config = (await client.get("/config")).raise_for_status().json()
        queue = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == "queue-list")
        opened = [asyncio.Event() for _ in range(PAGES)]
        pages = [asyncio.create_task(page(client, f"page{n}", queue, n % 2, opened[n])) for n in range(PAGES)]
        try:
            await asyncio.gather(*(one.wait() for one in opened))
            await asyncio.sleep(2)
            before, began = server.processor, perf_counter()
            await asyncio.sleep(SECONDS)
            return 100 * (server.processor - before) / (perf_counter() - began)
        finally:
            broken = [one.exception() for one in pages if one.done() and not one.cancelled()]
            for one in pages:
                one.cancel()
            if broken:
                raise RuntimeError(f"{len(broken)} pages ended by themselves: {broken[0]!r}")


async def page(client: httpx.AsyncClient, name: str, queue: int, looks: int, opened: asyncio.Event) -> None:
    """Be one page, until cancelled. queue: the widget that lists jobs. looks: whether it is shown."""
    (await client.get("/")).raise_for_status()
    async with client.stream("GET", f"/gradio_api/heartbeat/{name}") as stream, asyncio.TaskGroup() as both:
        stream.raise_for_status()
        both.create_task(exhausted(stream))
        opened.set()
        while looks:
            asked: dict[str, Any] = {"session_hash": name, "component_id": queue, "fn_name": "active", "data": {}}
            answer = await client.post("/gradio_api/component_server", json=asked)
            if "jobs" not in answer.raise_for_status().json():
                raise RuntimeError(answer.text)
            await asyncio.sleep(LOOK)


async def exhausted(stream: httpx.Response) -> None:
    """Read a stream that has no end."""
    async for _ in stream.aiter_bytes():
        pass
    raise RuntimeError("the server ended a page's stream")


def gallery() -> Table:
    """Fill a gallery, and draw its first screen."""
    table = Table(title=f"a gallery of {JOBS * EACH:,} pictures, in this process: milliseconds")
    for heading in ("", "median", "processor"):
        table.add_column(heading, justify="right")
    with tempfile.TemporaryDirectory() as folder, house_in(Path(folder)) as house:
        for n in range(JOBS):
            ended(house.store, house.album, Request(prompt=f"a {n}", seed=n, batch_size=EACH, width=64, height=64))
        ask = {one.__name__: one for one in answers(house)}
        first = ask["pictures"]({}, Caller())["pictures"][:SCREEN]
        files = [house.file_of(house.store.picture(one["job"], one["number"], None).kept) for one in first]
        calls: dict[str, Callable[[], object]] = {
            "the first page of the list": lambda: ask["pictures"]({}, Caller()),
            "the days": lambda: ask["days"]({}, Caller()),
            "a search": lambda: ask["pictures"]({"search": "a 7"}, Caller()),
            f"{SCREEN} small pictures, made once": lambda: [small(file) for file in files],
            f"{SCREEN} small pictures, kept": lambda: [small(file) for file in files],
        }
        for name, call in calls.items():
            table.add_row(name, *timed(call, 1 if name.endswith("once") else 9))
    return table


def timed(call: Callable[[], object], rounds: int) -> tuple[str, str]:
    """Return median wall time and mean processor time of a call, in milliseconds."""
    walls: list[float] = []
    spent = process_time()
    for _ in range(rounds):
        began = perf_counter()
        call()
        walls.append(perf_counter() - began)
    return f"{median(walls) * 1e3:.1f}", f"{(process_time() - spent) / rounds * 1e3:.1f}"


def main() -> None:
    """Print the tables."""
    parts = {"start": start, "idle": idle, "gallery": gallery}
    reader = argparse.ArgumentParser(description="What the web page costs.")
    reader.add_argument("part", nargs="?", choices=list(parts))
    part = reader.parse_args().part
    for make in [parts[part]] if part else parts.values():
        Console().print(make())


if __name__ == "__main__":
    main()
