"""One folder of tiny models with LoRAs beside them, and the house over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.endtoend.house import House, write_lora
from tests.tiny import write_tiny_sd


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiny models of one kind, and LoRAs called one, two and three."""
    folder = tmp_path_factory.mktemp("house")
    write_tiny_sd(folder / "tiny")
    write_tiny_sd(folder / "other", seed=5)
    (folder / "loras").mkdir()
    model = House(folder).model()
    for seed, name in enumerate(("one", "two", "three"), 1):
        write_lora(folder / "loras", model, name, seed)
    return folder


@pytest.fixture
def house(folder: Path) -> House:
    """A house with nothing loaded yet."""
    return House(folder)
