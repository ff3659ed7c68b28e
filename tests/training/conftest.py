"""What the training tests share: subjects, a few pictures, a small model, and a skip without Debian's packages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import CLIPTokenizer

from easel.training.companions.opening import MODEL, PRACTISED
from easel.training.embedded.recipe import toy
from easel.training.embedded.workshop import trained_tokenizer
from easel.training.networks.autoencoder import make_autoencoder
from easel.training.networks.export import export
from easel.training.networks.towers import Towers
from easel.training.networks.unet import make_unet
from easel.training.world.source import Source, open_source
from easel.training.world.subjects import DataMissing, Subject, font_path, load_subjects, world_subjects


@pytest.fixture(scope="session")
def every_subject() -> tuple[Subject, ...]:
    """All that can be drawn."""
    try:
        font_path()
        return world_subjects()
    except DataMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def all_subjects(every_subject: tuple[Subject, ...]) -> tuple[Subject, ...]:
    """Those of the list."""
    return load_subjects()


@pytest.fixture(scope="session")
def source(every_subject: tuple[Subject, ...]) -> Source:
    """Pictures of six subjects at 128 pixels."""
    return open_source(None, 6, 128, "cpu")


@pytest.fixture(scope="session")
def practised(every_subject: tuple[Subject, ...]) -> Source:
    """Pictures of what the embedded model practised, at its side."""
    side = 8 * json.loads((MODEL / "unet" / "config.json").read_text())["sample_size"]
    return open_source(None, PRACTISED, side, "cpu")


@pytest.fixture(scope="session")
def tokenizer(every_subject: tuple[Subject, ...], tmp_path_factory: pytest.TempPathFactory) -> CLIPTokenizer:
    """A tokenizer that has read of six subjects."""
    return trained_tokenizer(every_subject[:6], tmp_path_factory.mktemp("words") / "tokenizer", 900, 60)


@pytest.fixture(scope="session")
def exported(tokenizer: CLIPTokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of toy size for 128 pixels with random weights, exported as the embedded model is."""
    small = toy()
    torch.manual_seed(0)
    towers, autoencoder = Towers(small.clip, len(tokenizer)), make_autoencoder(small.autoencoder, 128)
    unet = make_unet(small.base, small.clip.text_width, 16)
    return export(tmp_path_factory.mktemp("exported") / "model", tokenizer, towers, autoencoder, unet)
