"""Sizes and plans of every stage: on a card, on processor cores, and at toy size in seconds. Knows no stage."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from easel.training.learning.loop import Plan
from easel.training.networks.autoencoder import AutoencoderConfig
from easel.training.networks.towers import ClipConfig
from easel.training.networks.unet import BaseConfig

STAGES = ("clip", "vision", "autoencoder", "half", "base", "decoder")  # that train, in this order
SHARES = {
    "clip": 0.14,
    "vision": 0.06,
    "autoencoder": 0.22,
    "half": 0.12,
    "base": 0.38,
    "decoder": 0.08,
}  # of the budget


@dataclass(frozen=True)
class Recipe:
    """Everything that is chosen before training.

    scenes: drawn for the deck; captions: of each. practised: how many subjects, None for all; the first of the list.
    side: pixels of a picture; buckets: further (height, width) that the base model practises, each with a share.
    pool: latents that are kept at once; refresh: steps after which another part of the deck is encoded, 0 for never.
    plain: share of the half stage's batches that goes to plain things, before chance gives out the rest: what shape has
    which name is learned from these first. plain_later: of the base stage's, which has pairs and styles to learn.
    settling_plan: of the levels outside alone, once the base stage has grown them round those inside.
    crop: pixels of the autoencoder's crops, 0 for whole pictures. halved: weight of what latents at half their size
    give, 0 for none. adversary: weight of the patch discriminator, 0 for
    none. perceived: weight of the distance in the picture tower's features, 0 for none.
    eight_bits: whether the U-Net's weights are kept in eight bits, at half the size.
    checks: prompts of the examination; style_steps: of the classifier that judges styles there.
    """

    scenes: int
    captions: int
    practised: int | None
    vocabulary: int
    autoencoder: AutoencoderConfig
    clip: ClipConfig
    base: BaseConfig
    clip_plan: Plan
    vision_plan: Plan
    autoencoder_plan: Plan
    half_plan: Plan
    settling_plan: Plan
    base_plan: Plan
    decoder_plan: Plan
    side: int = 256
    buckets: dict[tuple[int, int], float] = field(default_factory=dict[tuple[int, int], float])
    pool: int = 32_768
    refresh: int = 0
    crop: int = 0
    plain: float = 0.0
    plain_later: float = 0.0
    halved: float = 0.0
    adversary: float = 0.0
    perceived: float = 0.0
    eight_bits: bool = False
    checks: int = 500
    style_steps: int = 300
    steps: int = 20


def card() -> Recipe:
    """For one large GPU."""
    return Recipe(
        scenes=262_144,
        captions=3,
        practised=None,
        vocabulary=4096,
        autoencoder=AutoencoderConfig(channels=(48, 96, 120, 144), batch=64, noise=0.08),
        clip=ClipConfig(side=96, patch=8, batch=2048, pool=262_144),
        base=BaseConfig(
            channels=(64, 128, 192, 192),
            heads=(2, 4, 6, 6),
            attention=(False, False, True, True),
            groups=32,
            batch=512,
        ),
        clip_plan=Plan(minutes=4, learning_rate=1e-3, betas=(0.9, 0.98), weight_decay=0.05, average=0.998),
        vision_plan=Plan(minutes=1, learning_rate=1e-3, muon=True, weight_decay=0.05, average=0.995),
        autoencoder_plan=Plan(minutes=6, learning_rate=8e-4, betas=(0.9, 0.95), average=0.999),
        half_plan=Plan(minutes=4, learning_rate=1.5e-3, muon=True, warmup=300, average=0.9995, sheet_seconds=60),
        settling_plan=Plan(minutes=0.5, learning_rate=2e-3, muon=True, average=0.99),
        base_plan=Plan(minutes=11, learning_rate=1.5e-3, muon=True, warmup=300, average=0.9995, sheet_seconds=120),
        decoder_plan=Plan(minutes=2, learning_rate=4e-4, betas=(0.9, 0.95), average=0.998),
        buckets={(192, 256): 0.06, (256, 192): 0.06, (320, 320): 0.06, (128, 128): 0.06, (192, 320): 0.03},
        pool=131_072,
        refresh=2000,
        halved=0.5,
        adversary=0.05,
        perceived=0.3,
        eight_bits=True,
    )


def cores() -> Recipe:
    """For two processor cores and two to three hours, grown from the model that is there."""
    return Recipe(
        scenes=49_152,
        captions=3,
        practised=160,
        vocabulary=4096,
        autoencoder=AutoencoderConfig(batch=4, noise=0.03),
        clip=ClipConfig(pool=24_576),
        base=BaseConfig(channels=(64, 96, 192), heads=(2, 3, 6), attention=(False, True, True), batch=48, groups=32),
        clip_plan=Plan(minutes=25, learning_rate=3e-4, betas=(0.9, 0.98), weight_decay=0.05, average=0.998),
        vision_plan=Plan(minutes=35, learning_rate=1e-3, muon=True, weight_decay=0.05, average=0.995),
        autoencoder_plan=Plan(minutes=50, learning_rate=1e-3, betas=(0.9, 0.98), muon=True, average=0.998),
        half_plan=Plan(minutes=15, learning_rate=9e-4, muon=True, warmup=30, average=0.997, sheet_seconds=900),
        settling_plan=Plan(minutes=5, learning_rate=2e-3, muon=True, warmup=20, average=0.98),
        base_plan=Plan(minutes=90, learning_rate=6e-4, muon=True, warmup=100, average=0.996, sheet_seconds=1200),
        decoder_plan=Plan(minutes=20, learning_rate=5e-4, betas=(0.9, 0.98), muon=True, average=0.998),
        buckets={(192, 256): 0.05, (256, 192): 0.05},
        pool=12_288,
        refresh=800,
        crop=96,
        plain=0.4,
        plain_later=0.1,
        halved=0.5,
    )


def toy() -> Recipe:
    """Every stage at the smallest size and a few steps, to prove that the programs fit together."""
    plan = Plan(steps=2, warmup=1, learning_rate=1e-3)
    return Recipe(
        scenes=24,
        captions=2,
        practised=8,
        vocabulary=900,
        autoencoder=AutoencoderConfig(channels=(8, 8, 16, 16), groups=4, batch=2),
        clip=ClipConfig(
            text_width=32, text_layers=1, vision_width=32, vision_layers=1, side=32, projection=32, batch=8, pool=24
        ),
        base=BaseConfig(channels=(16, 32), heads=(1, 2), attention=(False, True), groups=8, batch=4, sheet_steps=2),
        clip_plan=plan,
        vision_plan=plan,
        autoencoder_plan=plan,
        half_plan=plan,
        settling_plan=plan,
        base_plan=plan,
        decoder_plan=plan,
        side=64,
        buckets={(32, 64): 0.25},
        pool=16,
        refresh=1,
        halved=0.5,
        adversary=0.05,
        perceived=0.3,
        eight_bits=True,
        checks=6,
        style_steps=6,
        steps=2,
    )


RECIPES = {"card": card, "cores": cores, "toy": toy}


def with_budget(recipe: Recipe, minutes: float, stages: tuple[str, ...] = STAGES) -> Recipe:
    """The recipe with `minutes` shared out among some stages."""
    whole = sum(SHARES[name] for name in stages)
    plans = {
        f"{name}_plan": replace(getattr(recipe, f"{name}_plan"), steps=None, minutes=minutes * SHARES[name] / whole)
        for name in stages
    }
    return replace(recipe, **plans)
