"""Recipes share a budget out and stay within what the package can hold."""

from __future__ import annotations

import pytest

from easel.training.embedded.recipe import RECIPES, STAGES, toy, with_budget
from easel.training.networks.autoencoder import make_autoencoder
from easel.training.networks.towers import Towers
from easel.training.networks.unet import make_unet


def test_a_budget_is_shared_out() -> None:
    shared = with_budget(toy(), 10.0)
    minutes = [getattr(shared, f"{stage}_plan").minutes for stage in STAGES]
    assert sum(minutes) == pytest.approx(10)
    assert with_budget(toy(), 3.0, ("clip",)).clip_plan.minutes == pytest.approx(3)


@pytest.mark.parametrize("name", ["card", "cores"])
def test_the_base_model_stays_within_forty_megabytes(name: str) -> None:
    recipe = RECIPES[name]()
    parts = (
        make_autoencoder(recipe.autoencoder),
        Towers(recipe.clip, recipe.vocabulary),
        make_unet(recipe.base, recipe.clip.text_width, recipe.side // 8),
    )
    sizes = [sum(p.numel() for p in part.parameters()) for part in parts]
    assert 2 * (sizes[0] + sizes[1]) + (1 if recipe.eight_bits else 2) * sizes[2] < 39_500_000
