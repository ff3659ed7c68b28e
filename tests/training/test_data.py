"""Compositions: a pure function of (seed, index), painted where and how the scene says."""

from __future__ import annotations

import pytest
import torch

from easel.training.data import PAINTERS, colourise, compose, level_for, paint
from easel.training.scenes import BACKGROUNDS, STYLES, Scene, Sprite
from easel.training.subjects import Subject


def one(**changes: object) -> Scene:
    return Scene((Sprite(0),), **changes)  # pyright: ignore[reportArgumentType]


def test_an_index_gives_the_same_picture_in_any_company(
    levels: list[torch.Tensor], subjects: tuple[Subject, ...]
) -> None:
    together = compose(levels, subjects, 7, range(10))
    alone = compose(levels, subjects, 7, [6])
    assert torch.equal(together.pictures[6], alone.pictures[0])
    assert together.captions[6] == alone.captions[0]
    assert together.scenes[6] == alone.scenes[0]
    assert compose(levels, subjects, 8, [6]).captions != alone.captions


def test_pictures_stay_in_range_and_the_corner_is_the_background(levels: list[torch.Tensor]) -> None:
    for name, colour in BACKGROUNDS.items():
        picture = paint(levels, [one(background=name, colour=colour)])[0]
        assert float(picture.min()) >= -1 and float(picture.max()) <= 1
        assert torch.allclose((picture[:, 0, 0] + 1) / 2, torch.tensor(colour), atol=1e-5)


@pytest.mark.parametrize("style", STYLES)
def test_a_style_changes_the_picture(levels: list[torch.Tensor], style: str) -> None:
    plain, styled = paint(levels, [one(), one(style=style)])
    assert float((plain - styled).abs().mean()) > 0.005


def test_every_style_has_a_painter() -> None:
    assert set(PAINTERS) == {"", *STYLES}


def test_mirroring_is_a_mirror(levels: list[torch.Tensor]) -> None:
    straight, mirrored = paint(levels, [Scene((Sprite(0),)), Scene((Sprite(0, mirrored=True),))])
    assert torch.allclose(straight.flip(-1), mirrored, atol=1e-4)


def test_a_tint_moves_the_colour_towards_itself(levels: list[torch.Tensor]) -> None:
    sprite = levels[0][:1]
    blue = colourise(sprite, torch.tensor([[0.1, 0.3, 0.9]]))
    assert torch.equal(blue[:, 3], sprite[:, 3])
    assert float(blue[:, 2].sum()) > float(blue[:, 0].sum())


def test_levels_cover_the_size_wanted() -> None:
    assert [level_for(size) for size in (1.0, 0.76, 0.75, 0.5, 0.3)] == [0, 0, 1, 2, 3]
