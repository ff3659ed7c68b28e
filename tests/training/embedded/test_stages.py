"""Each stage learns at toy size: the autoencoder, the towers and the U-Net; a stopped U-Net goes on bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file

from easel.training.embedded import autoencoder as pictures
from easel.training.embedded import base, clip
from easel.training.embedded.half import train_half
from easel.training.embedded.pool import fill
from easel.training.embedded.practising import chosen, make_batches, make_losses
from easel.training.embedded.recipe import STAGES, toy
from easel.training.embedded.workshop import (
    Workshop,
    finished,
    numbers,
    open_workshop,
    trained_autoencoder,
    trained_towers,
)
from easel.training.learning.loop import Plan, train
from easel.training.networks.autoencoder import encode_mean, make_autoencoder
from easel.training.networks.export import load
from easel.training.networks.towers import Towers
from easel.training.networks.unet import make_unet
from easel.training.world.scenes import generator
from easel.training.world.subjects import Subject


@pytest.fixture(scope="module")
def shop(every_subject: tuple[Subject, ...], tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    recipe = replace(toy(), refresh=0, perceived=0.0, adversary=0.0, buckets={}, pool=8)
    return open_workshop(recipe, tmp_path_factory.mktemp("shop"), "cpu")


@pytest.fixture(scope="module")
def towers(shop: Workshop) -> Towers:
    torch.manual_seed(0)
    return Towers(shop.recipe.clip, len(shop.tokenizer)).requires_grad_(False).eval()


@pytest.fixture(scope="module")
def normal(shop: Workshop) -> AutoencoderKL:
    """A random autoencoder with latents as the base model gets them."""
    torch.manual_seed(0)
    model = make_autoencoder(shop.recipe.autoencoder, shop.recipe.side).requires_grad_(False).eval()
    return finished(shop, model)


@torch.no_grad()
def test_latents_have_unit_variance_on_unseen_pictures(shop: Workshop, normal: AutoencoderKL) -> None:
    parts = [encode_mean(normal, shop.pictures(rows, unseen=True)) for rows in numbers(shop.unseen, 256, 16)]
    latents = torch.cat(parts)
    assert float(latents.mean((0, 2, 3)).abs().max()) < 1e-3
    assert torch.allclose(latents.std((0, 2, 3)), torch.ones(4), atol=1e-3)


def test_a_pool_filled_anew_has_other_scenes_with_their_own_words(
    shop: Workshop, towers: Towers, normal: AutoencoderKL, tmp_path: Path
) -> None:
    (first,), (second,) = (fill(shop, normal, turn, tmp_path, towers) for turn in (0, 1))
    assert not set(first.rows.tolist()) & set(second.rows.tolist())
    for bucket in (first, second):
        tokens = shop.deck.tokens[bucket.rows].long()
        with torch.no_grad():
            words = towers.text(tokens.flatten(0, 1)).last_hidden_state.unflatten(0, tokens.shape[:2])
        assert bucket.contexts is not None
        assert torch.allclose(bucket.contexts.float(), words, atol=0.05)
    assert not torch.allclose(first.latents.float(), second.latents.float(), atol=0.1)
    (again,) = fill(shop, normal, 1, tmp_path, towers)
    assert again.contexts is not None and torch.equal(again.contexts, second.contexts)
    assert torch.equal(again.latents, second.latents)
    (silent,) = fill(shop, normal, 1)
    assert silent.contexts is None


def test_stages_begin_from_an_exported_model(exported: Path, tmp_path: Path) -> None:
    still = Plan(steps=1, warmup=1, learning_rate=0.0)
    plans = {f"{stage}_plan": still for stage in STAGES}
    recipe = replace(toy(), refresh=0, perceived=0.0, adversary=0.0, buckets={}, **plans)
    shop = open_workshop(recipe, tmp_path, "cpu", start=exported)
    vocabulary = "tokenizer/vocab.json"
    assert (tmp_path / vocabulary).read_bytes() == (exported / vocabulary).read_bytes()
    _, towers, autoencoder, unet = load(exported)
    clip.train_clip(shop)
    pictures.train_autoencoder(shop)
    assert train_half(shop) is None  # the exported model has all levels
    for part, wanted in ((trained_towers(shop), towers), (base.train_base(shop), unet)):
        known = wanted.state_dict()
        assert all(torch.equal(value, known[name]) for name, value in part.state_dict().items())
    assert torch.equal(trained_autoencoder(shop).decoder.conv_out.weight, autoencoder.decoder.conv_out.weight)
    (words,) = (tmp_path / "base" / "pool").glob("words-*/*")
    assert load_file(words)["rows"].shape == (16, 2, 77, 32)


def test_a_stage_takes_what_was_not_trained_here_from_the_exported_model(exported: Path, tmp_path: Path) -> None:
    """So the base model of a folder that is published can go on where nothing else was kept."""
    still = Plan(steps=1, warmup=1, learning_rate=0.0)
    recipe = replace(toy(), refresh=0, buckets={}, eight_bits=False, base_plan=still)
    shop = open_workshop(recipe, tmp_path, "cpu", start=exported)
    base.train_base(shop)
    _, *parts = load(exported)
    _, *written = load(tmp_path / "model")
    for part, wanted in zip(written, parts, strict=True):
        known = wanted.state_dict()
        assert all(torch.allclose(value, known[name], atol=1e-3) for name, value in part.state_dict().items())


def test_the_autoencoder_learns_a_few_pictures(shop: Workshop, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = make_autoencoder(shop.recipe.autoencoder, shop.recipe.side)
    before = pictures.measured(shop, model, 4)
    pair = pictures.Pair(model, adversary=False)
    losses = pictures.make_losses(shop, pair, None)
    train(pair, lambda step: losses(step % 4), Plan(steps=30, warmup=3, learning_rate=5e-3, average=0.8), tmp_path)
    assert pictures.measured(shop, model, 4) > before + 1


def test_latents_at_half_their_size_learn_to_give_half_the_picture(shop: Workshop, tmp_path: Path) -> None:
    torch.manual_seed(0)
    pair = pictures.Pair(make_autoencoder(shop.recipe.autoencoder, shop.recipe.side), adversary=False)
    losses = pictures.make_losses(replace(shop, recipe=replace(shop.recipe, halved=1.0)), pair, None)
    with torch.no_grad():
        before = float(losses(0)["half"])
    train(pair, lambda step: losses(step % 4), Plan(steps=40, warmup=3, learning_rate=5e-3, average=0.8), tmp_path)
    with torch.no_grad():
        assert float(losses(0)["half"]) > before + 1  # dB


def test_the_clip_pair_learns_which_words_go_with_which_picture(shop: Workshop, tmp_path: Path) -> None:
    torch.manual_seed(0)
    pair = Towers(shop.recipe.clip, len(shop.tokenizer))
    losses = clip.make_losses(shop, pair)
    before = float(losses(0)["loss"].detach())
    train(pair, lambda step: losses(step % 3), Plan(steps=60, warmup=3, learning_rate=3e-3, average=0.8), tmp_path)
    assert float(losses(0)["loss"].detach()) < 0.8 * before


def fresh(shop: Workshop) -> UNet2DConditionModel:
    torch.manual_seed(0)
    return make_unet(shop.recipe.base, shop.recipe.clip.text_width, shop.recipe.side // 8)


def test_the_base_model_learns_a_few_latents(
    shop: Workshop, towers: Towers, normal: AutoencoderKL, tmp_path: Path
) -> None:
    unet = fresh(shop)
    losses = make_losses(shop, unet, make_batches(shop, towers, normal))

    @torch.no_grad()
    def total() -> float:
        return sum(float(losses(step)["loss"]) for step in range(1000, 1004))

    before = total()
    train(unet, losses, Plan(steps=50, warmup=3, learning_rate=4e-3, average=0.8), tmp_path)
    assert total() < 0.9 * before


def test_a_resumed_unet_equals_a_straight_one_bit_for_bit(
    shop: Workshop, towers: Towers, normal: AutoencoderKL, tmp_path: Path
) -> None:
    results = []
    for name, stops in (("straight", (None,)), ("resumed", (3, None))):
        unet = fresh(shop)
        for stop in stops:
            unet = fresh(shop)
            losses = make_losses(shop, unet, make_batches(shop, towers, normal))
            train(unet, losses, Plan(steps=6, warmup=2, learning_rate=1e-3), tmp_path / name, stop_at=stop)
        results.append(unet.state_dict())
    assert all(torch.equal(value, results[1][name]) for name, value in results[0].items())


def test_plain_things_take_their_share_of_a_batch() -> None:
    plain = torch.arange(100) % 5 == 0
    assert plain[chosen(generator(0), 64, plain, 1.0)].all()
    assert 0.5 < float(plain[chosen(generator(0), 4000, plain, 0.5)].float().mean()) < 0.7  # 0.5 + 0.5 / 5
    assert 0.15 < float(plain[chosen(generator(0), 4000, plain, 0.0)].float().mean()) < 0.25
    assert chosen(generator(0), 8, torch.zeros(3, dtype=torch.bool), 0.9).max() < 3
