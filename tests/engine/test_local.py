"""The thread that owns an engine: many callers, one loop."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from easel.app import open_client
from easel.core.client import Done, EngineClient, Event, Failed, Progressed, Queued, WasCancelled
from easel.core.errors import ResourceError, UnknownName
from easel.core.finishing import Enlarge
from easel.core.request import Request
from easel.core.settings import read_settings

SMALL: dict[str, Any] = {"model": "tiny", "width": 32, "height": 32}


@pytest.fixture(scope="module")
def client(tiny_folder: Path) -> Iterator[EngineClient]:
    opened = open_client(read_settings(models=tiny_folder.parent, precision="float32"))
    yield opened
    opened.close()


def test_events_in_order(client: EngineClient) -> None:
    events = list(client.events(client.submit(Request(prompt="a fox", steps=3, seed=1, **SMALL))))
    assert isinstance(events[0], Queued)
    assert isinstance(events[-1], Done)
    assert [event.step for event in events if isinstance(event, Progressed)] == [0, 1, 2]
    assert events[-1].result.pictures[0].seed == 1


def test_what_is_counted_after_the_steps_goes_on_from_them(client: EngineClient) -> None:
    """Who looks on sees one count that only grows, and never the same place twice."""
    part = Enlarge(upscaler="starter-x4", scale=4, tile=32)
    request = Request(prompt="a fox", steps=2, seed=1, enlarge=part, model="tiny", width=64, height=64)
    told = [one for one in client.events(client.submit(request)) if isinstance(one, Progressed)]
    assert [(one.step, one.steps) for one in told] == [(0, 2), (1, 2), *((2 + tile, 11) for tile in range(9))]


def test_a_seed_is_drawn_when_none_is_given(client: EngineClient) -> None:
    seeds: set[int] = set()
    for _ in range(2):
        ending = list(client.events(client.submit(Request(prompt="a fox", steps=1, **SMALL))))[-1]
        assert isinstance(ending, Done)
        seeds.add(ending.result.pictures[0].seed)
    assert len(seeds) == 2


def test_many_threads_at_once(client: EngineClient) -> None:
    endings: list[Event] = []

    def ask(seed: int) -> None:
        endings.append(list(client.events(client.submit(Request(prompt="a", steps=2, seed=seed, **SMALL))))[-1])

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(ending) for ending in endings] == [Done] * 8


def test_cancel_stops_a_run_and_no_other(client: EngineClient) -> None:
    long = client.submit(Request(prompt="a fox", steps=1000, seed=1, **SMALL))
    short = client.submit(Request(prompt="a fox", steps=3, seed=1, **SMALL))
    heard = client.events(long)
    for event in heard:
        if isinstance(event, Progressed):
            client.cancel(long)
            break
    assert isinstance(list(heard)[-1], WasCancelled)
    assert isinstance(list(client.events(short))[-1], Done)
    client.cancel(long)
    client.cancel("never was")


def test_refusals_come_at_submit(client: EngineClient) -> None:
    with pytest.raises(UnknownName, match="nearest 'tiny'"):
        client.submit(Request(prompt="a", model="tinny"))
    with pytest.raises(UnknownName, match="nearest 'Euler a'"):
        client.submit(Request(prompt="a", sampler="Eulr a", **SMALL))
    with pytest.raises(UnknownName):
        next(iter(client.events("never was")))


def test_what_only_the_model_knows_ends_the_run(client: EngineClient) -> None:
    run = client.submit(Request(prompt="a", sampler_options={"nonsense": 1}, **SMALL))
    ending = list(client.events(run))[-1]
    assert isinstance(ending, Failed)
    assert isinstance(ending.error, UnknownName)


def test_closing_answers_everyone(tiny_folder: Path) -> None:
    opened = open_client(read_settings(models=tiny_folder.parent, precision="float32"))
    runs = [opened.submit(Request(prompt="a", steps=900, seed=i, **SMALL)) for i in range(3)]
    opened.close()
    assert [type(list(opened.events(run))[-1]) for run in runs] == [WasCancelled] * 3
    with pytest.raises(ResourceError, match="closed"):
        opened.submit(Request(prompt="a", **SMALL))
