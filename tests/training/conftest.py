"""What the training tests share: few subjects, their sprites, and a skip where Debian's packages are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from easel.training.autoencoder import make_autoencoder
from easel.training.base import make_unet
from easel.training.clip import Towers
from easel.training.companions import MODEL, PRACTISED
from easel.training.data import make_levels
from easel.training.export import export
from easel.training.recipe import dry_run
from easel.training.subjects import DataMissing, Subject, annotations_path, font_path, load_subjects, make_atlas
from easel.training.tokenizer import grammar_text, train_tokenizer
from easel.training.world.source import Source, open_source


@pytest.fixture(scope="session")
def all_subjects() -> tuple[Subject, ...]:
    try:
        font_path()
        annotations_path("en")
        annotations_path("ko")
    except DataMissing as missing:
        pytest.skip(str(missing))
    return load_subjects()


@pytest.fixture(scope="session")
def subjects(all_subjects: tuple[Subject, ...]) -> tuple[Subject, ...]:
    return all_subjects[:6]


@pytest.fixture(scope="session")
def levels(subjects: tuple[Subject, ...]) -> list[torch.Tensor]:
    return make_levels(make_atlas(subjects))


@pytest.fixture(scope="session")
def source(all_subjects: tuple[Subject, ...]) -> Source:
    """Pictures of six subjects at 128 pixels."""
    return open_source(None, 6, 128, "cpu")


@pytest.fixture(scope="session")
def practised(all_subjects: tuple[Subject, ...]) -> Source:
    """Pictures of what the starter practised, at its side."""
    side = 8 * json.loads((MODEL / "unet" / "config.json").read_text())["sample_size"]
    return open_source(None, PRACTISED, side, "cpu")


@pytest.fixture(scope="session")
def exported(all_subjects: tuple[Subject, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of toy size with random weights, exported as the starter is."""
    folder, small = tmp_path_factory.mktemp("exported"), dry_run()
    torch.manual_seed(0)
    tokenizer = train_tokenizer(grammar_text(all_subjects[:6], 60), folder / "tokenizer", 900)
    towers, autoencoder = Towers(small.clip, len(tokenizer)), make_autoencoder(small.autoencoder)
    return export(folder / "model", tokenizer, towers, autoencoder, make_unet(small.base, 32, 16))
