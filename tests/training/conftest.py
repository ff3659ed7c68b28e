"""What the training tests share: few subjects, their sprites, and a skip where Debian's packages are not."""

from __future__ import annotations

import pytest
import torch

from easel.training.data import make_levels
from easel.training.subjects import DataMissing, Subject, annotations_path, font_path, load_subjects, make_atlas


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
