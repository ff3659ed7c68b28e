"""The judges: right about true compositions, and not misled by a speckle."""

from __future__ import annotations

import torch

from easel.training.data import paint
from easel.training.evaluate import crop_subject, halves, make_trials, nearest_background, rank_glyphs
from easel.training.scenes import BACKGROUNDS, Scene, Sprite
from easel.training.subjects import Subject


def test_true_compositions_are_judged_right(levels: list[torch.Tensor], subjects: tuple[Subject, ...]) -> None:
    scenes = [Scene((Sprite(n, mirrored=n % 2 == 1),), "green", BACKGROUNDS["green"]) for n in range(len(subjects))]
    pictures = paint(levels, scenes)
    assert nearest_background(pictures) == ["green"] * len(scenes)
    assert rank_glyphs(pictures, levels[0])[:, 0].tolist() == list(range(len(subjects)))


def test_a_speckle_does_not_stretch_the_crop(levels: list[torch.Tensor]) -> None:
    (picture,) = paint(levels, [Scene((Sprite(0),))])
    colour = picture[:, 0, 0]
    clean = crop_subject(picture, colour)
    picture[:, 2, 2] = -1
    assert torch.equal(crop_subject(picture, colour), clean)


def test_a_half_shows_its_subject_at_full_size(levels: list[torch.Tensor]) -> None:
    scene = Scene((Sprite(0, size=0.47, centre=(0.25, 0.5)), Sprite(1, size=0.47, centre=(0.75, 0.5))))
    assert rank_glyphs(halves(paint(levels, [scene])), levels[0])[:, 0].tolist() == [0, 1]


def test_prompts_are_half_korean_and_ask_only_for_what_is_drawn(all_subjects: tuple[Subject, ...]) -> None:
    trials = make_trials(all_subjects, 100)
    assert trials == make_trials(all_subjects, 100)
    assert sum(trial.language == "ko" for trial in trials) == 50
    assert sum(len(trial.scene.sprites) == 2 for trial in trials) == 30
    assert all(all_subjects[sprite.subject].drawn for trial in trials for sprite in trial.scene.sprites)
