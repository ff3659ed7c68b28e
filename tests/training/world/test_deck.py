"""A deck holds scenes as tensors: what it tells of them."""

from __future__ import annotations

import torch

from easel.training.world.deck import packed
from easel.training.world.scenes import Scene, Thing


def test_plain_is_one_thing_as_it_is_whatever_stands_behind_it() -> None:
    scenes = {
        Scene((Thing(3),)): True,
        Scene((Thing(3, size=0.4),), background="blue", second="pink", background_said=True): True,
        Scene((Thing(3, mirrored=True),), quality="good"): True,
        Scene((Thing(3), Thing(4)), "across"): False,
        Scene((Thing(3), Thing(3))): False,
        Scene((Thing(3, tint="red"),)): False,
        Scene((Thing(3),), style="mosaic"): False,
        Scene((Thing(3),), damage="jpeg", quality="bad"): False,
    }
    deck = packed(list(scenes))
    assert deck.plain.tolist() == list(scenes.values())
    assert deck.rows(torch.tensor([5, 0])).plain.tolist() == [False, True]
