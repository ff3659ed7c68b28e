"""What judges have in common: right about true compositions, and not misled by a speckle."""

from __future__ import annotations

import torch

from easel.training.embedded.judges import Glyphs
from easel.training.embedded.looking import crop_subject, halves, hits, share
from easel.training.world.scenes import PAIR_SIZE, PAIRS, Scene, Thing
from easel.training.world.source import Source


def test_a_speckle_does_not_stretch_the_crop(source: Source) -> None:
    (picture,) = source.paint([Scene((Thing(0),))])
    colour = picture[:, 0, 0]
    clean = crop_subject(picture, colour)
    picture[:, 2, 2] = -1
    assert torch.equal(crop_subject(picture, colour), clean)
    assert not torch.equal(clean, colour[:, None, None].expand_as(clean))


def test_a_half_shows_its_subject_at_full_size(source: Source) -> None:
    scene = Scene(tuple(Thing(n, size=PAIR_SIZE, centre=at) for n, at in enumerate(PAIRS["across"])), "across")
    assert Glyphs(source.atlas).ranked(halves(source.paint([scene])))[:, 0].tolist() == [0, 1]


def test_answers_are_counted() -> None:
    order = torch.tensor([[2, 0, 1], [1, 2, 0]])
    assert hits(order, torch.tensor([2, 2]), 1).tolist() == [True, False]
    assert hits(order, torch.tensor([2, 2]), 2).tolist() == [True, True]
    assert share([True, False, False]) == 0.3333 and share([]) == 0.0
