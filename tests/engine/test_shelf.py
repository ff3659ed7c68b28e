"""What is loaded is loaded once, whatever it is called, and by one device."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from easel.core.errors import ResourceError, UnknownName
from easel.core.settings import Settings, read_settings
from easel.core.work import Wanted
from easel.engine.shelf import Shelf
from easel.models.library import Library


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
