"""Compositions are a pure function of (seed, index)."""

from __future__ import annotations

import torch

from easel.training.world.source import Source, compose


def test_an_index_gives_the_same_picture_in_any_company(source: Source) -> None:
    together = compose(source, 7, range(10))
    assert together.pictures.shape == (10, 3, 128, 128)
    assert float(together.pictures.min()) >= -1 and float(together.pictures.max()) <= 1
    # grain alone is another at another place in a batch
    still = [number for number, scene in enumerate(together.scenes) if scene.damage != "noisy"]
    for number in still[-3:]:
        alone = compose(source, 7, [number])
        assert torch.allclose(together.pictures[number], alone.pictures[0], atol=1e-4)
        assert together.captions[number] == alone.captions[0]
        assert together.scenes[number] == alone.scenes[0]
    assert compose(source, 8, [6]).captions != compose(source, 7, [6]).captions
