"""What is loaded is loaded once, whatever it is called, and by one device."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from easel.core.errors import ResourceError, UnknownName
from easel.core.settings import Settings, read_settings
from easel.core.work import Wanted
from easel.engine.shelf import Shelf
from easel.models.library.names import Library
from easel.models.memory.moving import weights_of
from tests.tiny import write_tiny_sd


def shelf(settings: Settings) -> Shelf:
    return Shelf(Library(settings), settings)


def model(name: str | Path) -> Wanted:
    return Wanted("model", str(name))


def test_a_model_is_loaded_once(tiny_folder: Path) -> None:
    models = shelf(read_settings(models=tiny_folder.parent, precision="float32"))
    assert models.load(model("tiny")) is models.load(model(tiny_folder))


def test_an_absent_device_is_refused(tiny_folder: Path) -> None:
    device = "mps" if torch.cuda.is_available() else "cuda"
    models = shelf(read_settings(models=tiny_folder.parent, device=device))
    with pytest.raises(ResourceError, match="easel doctor"):
        models.load(model("tiny"))


def test_what_is_not_there_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    models = shelf(read_settings(models=tmp_path))
    with pytest.raises(UnknownName, match="model 'nothing' is not known"):
        models.check(model("nothing"))


def test_the_least_recently_used_model_is_forgotten_when_not_all_fit(tmp_path: Path) -> None:
    for name in ("first", "second", "third"):
        write_tiny_sd(tmp_path / name)
    size = weights_of(shelf(read_settings(models=tmp_path, precision="float32")).load(model("first")).parts.values())
    for budget, kept in ((7 * size // 2, True), (5 * size // 2, False)):
        models = shelf(read_settings(models=tmp_path, precision="float32", ram=f"{budget}B"))
        first, second = models.load(model("first")), models.load(model("second"))
        assert models.load(model("first")) is first  # so the second was used longest ago
        third = models.load(model("third"))
        assert models.load(model("first")) is first
        assert models.load(model("third")) is third
        assert (models.load(model("second")) is second) is kept


def test_a_model_larger_than_what_is_allowed_is_loaded_alone(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_tiny_sd(tmp_path / name)
    models = shelf(read_settings(models=tmp_path, ram="1B"))
    first = models.load(model("first"))
    assert models.load(model("first")) is first
    models.load(model("second"))
    assert models.load(model("first")) is not first


def test_all_models_run_on_one_machine(tmp_path: Path) -> None:
    """So one device's memory is divided among them."""
    for name in ("first", "second"):
        write_tiny_sd(tmp_path / name)
    models = shelf(read_settings(models=tmp_path))
    assert models.load(model("first")).machine is models.load(model("second")).machine is models.machine
