"""Fixtures: tiny models of both families that image prompts are for, and a tiny picture tower."""

from __future__ import annotations

from dataclasses import replace

import pytest

from easel.core.settings import read_settings
from easel.engine.wardrobe import Wardrobe
from easel.models.accelerate import machine_for
from easel.models.family import Model, load
from easel.models.layouts.identify import identify
from easel.models.vision import Tower, load_tower
from tests.adapters.pictures.making import write_tower
from tests.tiny import write_tiny_sd
from tests.tiny_families import write_tiny_sdxl

WRITERS = {"sd": write_tiny_sd, "sdxl": write_tiny_sdxl}


@pytest.fixture(scope="session", params=list(WRITERS))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model with a U-Net, in float32, that can wear networks."""
    folder = WRITERS[request.param](tmp_path_factory.mktemp("models") / request.param)
    settings = read_settings(precision="float32")
    return load(identify(folder), settings, machine=replace(machine_for(settings), wardrobe=Wardrobe()))


@pytest.fixture(scope="session")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Tower:
    """A picture tower that sees 32 x 32 pixels."""
    machine = machine_for(read_settings(precision="float32"))
    return load_tower(write_tower(tmp_path_factory.mktemp("towers") / "tiny"), machine)
