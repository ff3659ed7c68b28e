"""Memory stays where it is, however many requests come: nothing of a request outlives it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from easel.app import open_client
from easel.core.client import Done, EngineClient, WasCancelled
from easel.core.passes import Shortcuts
from easel.core.request import Request
from easel.core.settings import read_settings
from tests.live import live_tensors, resident_bytes

ROUND = 24  # requests at once
ROUNDS = 8
GROWTH = 2**24  # bytes that the process may hold more after the last round than after the first


def ask(number: int) -> Request:
    """Unlike requests that come again each round; every eighth is long, to be cancelled."""
    shortcuts = (Shortcuts(), Shortcuts(features_every=2), Shortcuts(gate=0.5), Shortcuts(ngms=100))[number % 4]
    fields: dict[str, Any] = {"steps": 1000 if number % 8 == 7 else 2 + number % 3, "width": 32, "height": 32}
    return Request(prompt=f"a fox {number % 5}", model="tiny", seed=number, shortcuts=shortcuts, **fields)


def one_round(client: EngineClient) -> None:
    runs = {client.submit(ask(number)): number for number in range(ROUND)}
    for run, number in runs.items():
        if number % 8 == 7:
            client.cancel(run)
    for run, number in runs.items():
        *_, ending = client.events(run)
        assert isinstance(ending, WasCancelled if number % 8 == 7 else Done), ending


def test_tensors_and_memory_stay_flat(tiny_folder: Path) -> None:
    client = open_client(read_settings(models=tiny_folder.parent, precision="float32"))
    try:
        for _ in range(2):
            one_round(client)
        tensors, resident = live_tensors(), resident_bytes()
        for _ in range(ROUNDS):
            one_round(client)
        assert live_tensors() == tensors
        after = resident_bytes()
        assert resident is None or after is None or after - resident < GROWTH
    finally:
        client.close()
