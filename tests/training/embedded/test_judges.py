"""The judges and their prompts: fixed, of every kind, right about true compositions."""

from __future__ import annotations

import pytest
import torch

from easel.training.embedded.judges import Glyphs, frechet
from easel.training.embedded.trials import make_trials
from easel.training.world.deck import packed
from easel.training.world.kit import make_kit
from easel.training.world.painting import make_atlas, paint
from easel.training.world.subjects import Subject


def test_trials_are_fixed_and_of_every_kind(all_subjects: tuple[Subject, ...]) -> None:
    trials = make_trials(all_subjects, 60)
    assert trials == make_trials(all_subjects, 60)
    assert {(t.kind, t.language) for t in trials} == {
        (k, lang) for k in ("one", "two", "style") for lang in ("en", "ko")
    }


def test_glyphs_tell_subjects_apart(all_subjects: tuple[Subject, ...]) -> None:
    kit = make_kit(all_subjects[:12])
    atlas = make_atlas(kit.atlas)
    trials = [trial for trial in make_trials(kit.subjects, 60) if trial.kind == "one"]
    pictures = paint(atlas, packed([trial.scene for trial in trials]), (128, 128))
    best = Glyphs(atlas).ranked(pictures)[:, 0].tolist()
    assert best == [trial.scene.things[0].subject for trial in trials]


def test_the_frechet_distance_is_that_of_normal_features() -> None:
    drawn = torch.Generator().manual_seed(1)
    features = torch.randn(4000, 3, generator=drawn)
    assert frechet(features, features) == pytest.approx(0, abs=1e-6)
    assert frechet(features, features + 2) == pytest.approx(12, abs=1e-6)
    assert frechet(features, features * 2) == pytest.approx(3, rel=0.1)
