"""The starter's recipe: the sizes and plans of every stage, for the real run and for a dry run in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from easel.training.autoencoder import AutoencoderConfig
from easel.training.base import BaseConfig
from easel.training.clip import ClipConfig
from easel.training.decoder import DecoderConfig
from easel.training.loop import Plan

SHARES = {
    "autoencoder": 0.25,
    "clip": 0.15,
    "decoder": 0.1,
    "vision": 0.1,
    "base": 0.4,
}  # of the budget, when all stages run


@dataclass(frozen=True)
class Recipe:
    """Sizes and plans; a plan's minutes are set from the budget."""

    subjects: int | None = None  # how many of the list; None is all
    vocabulary: int = 2560
    grammar_scenes: int = 6000
    evaluation_prompts: int = 200
    evaluation_steps: int = 20
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    clip: ClipConfig = field(default_factory=ClipConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    base: BaseConfig = field(default_factory=BaseConfig)
    autoencoder_plan: Plan = field(
        default_factory=lambda: Plan(minutes=36, learning_rate=1e-3, betas=(0.9, 0.98), average=0.998)
    )
    clip_plan: Plan = field(
        default_factory=lambda: Plan(
            minutes=25, learning_rate=7e-4, betas=(0.9, 0.98), weight_decay=0.05, average=0.998
        )
    )
    decoder_plan: Plan = field(
        default_factory=lambda: Plan(minutes=30, learning_rate=5e-4, betas=(0.9, 0.98), average=0.998)
    )
    vision_plan: Plan = field(
        default_factory=lambda: Plan(
            minutes=30, learning_rate=6e-4, betas=(0.9, 0.98), weight_decay=0.05, average=0.995
        )
    )
    base_plan: Plan = field(
        default_factory=lambda: Plan(
            minutes=70, learning_rate=1.2e-3, muon=True, warmup=200, average=0.995, sheet_seconds=400
        )
    )


def with_budget(recipe: Recipe, stage: str, minutes: float) -> Recipe:
    """The recipe with `minutes` for one stage, or shared out among all stages."""
    share = SHARES if stage == "all" else {stage: 1.0}
    return replace(
        recipe,
        autoencoder_plan=replace(recipe.autoencoder_plan, steps=None, minutes=minutes * share.get("autoencoder", 1)),
        decoder_plan=replace(recipe.decoder_plan, steps=None, minutes=minutes * share.get("decoder", 1)),
        vision_plan=replace(recipe.vision_plan, steps=None, minutes=minutes * share.get("vision", 1)),
        clip_plan=replace(recipe.clip_plan, steps=None, minutes=minutes * share.get("clip", 1)),
        base_plan=replace(recipe.base_plan, steps=None, minutes=minutes * share.get("base", 1)),
    )


def dry_run() -> Recipe:
    """Every stage at the smallest size and a few steps, to prove that the programs fit together."""
    plan = Plan(steps=3, warmup=1, learning_rate=1e-3)
    return Recipe(
        subjects=6,
        vocabulary=900,
        grammar_scenes=60,
        evaluation_prompts=6,
        evaluation_steps=2,
        autoencoder=AutoencoderConfig(channels=(8, 8, 16, 16), groups=4, batch=2, crops=1, whole_batch=1),
        clip=ClipConfig(
            text_width=32, text_layers=1, vision_width=32, vision_layers=1, side=32, projection=32, batch=8, pool=32
        ),
        base=BaseConfig(channels=(16, 32), heads=(1, 2), groups=8, batch=4, cache=16, sheet_steps=2),
        autoencoder_plan=plan,
        clip_plan=plan,
        decoder_plan=plan,
        vision_plan=plan,
        base_plan=plan,
    )
