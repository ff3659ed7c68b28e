"""The three models at toy size: their losses fall, a resumed U-Net equals a straight one, words round trip."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import CLIPTokenizer

from easel.training import autoencoder as ae
from easel.training import base, clip
from easel.training.data import draw_captioned
from easel.training.loop import Plan, train
from easel.training.recipe import dry_run
from easel.training.subjects import Subject
from easel.training.tokenizer import END, START, grammar_text, train_tokenizer

SMALL = dry_run()


@pytest.fixture(scope="module")
def tokenizer(subjects: tuple[Subject, ...], tmp_path_factory: pytest.TempPathFactory) -> CLIPTokenizer:
    return train_tokenizer(grammar_text(subjects, 60), tmp_path_factory.mktemp("words"), 900)


@pytest.mark.parametrize("text", ["a blue fox, green background", "파란 배경의 여우", "strange wörds 漢字 !?"])
def test_words_round_trip(tokenizer: CLIPTokenizer, text: str) -> None:
    numbers = tokenizer(text)["input_ids"]
    # CLIP decodes with a space after each word and sign
    assert tokenizer.decode(numbers, skip_special_tokens=True).replace(" ", "") == text.replace(" ", "")
    assert tokenizer.convert_ids_to_tokens([numbers[0], numbers[-1]]) == [START, END]


def test_the_tokenizer_pads_to_77_with_the_end_token(tokenizer: CLIPTokenizer) -> None:
    (numbers,) = clip.tokenize(tokenizer, ["여우"], whole=True)
    assert len(numbers) == 77 and int(numbers[-1]) == len(tokenizer) - 1 == tokenizer.eos_token_id


def test_the_autoencoder_learns_a_few_pictures(
    levels: list[torch.Tensor], subjects: tuple[Subject, ...], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = ae.make_autoencoder(SMALL.autoencoder)
    before = ae.measure_psnr(model, levels, subjects, 4)
    losses = ae.make_losses(model, levels, subjects, SMALL.autoencoder)
    train(model, lambda step: losses(step % 4), Plan(steps=30, warmup=3, learning_rate=5e-3, average=0.8), tmp_path)
    assert ae.measure_psnr(model, levels, subjects, 4) > before + 1


def test_normalised_latents_have_unit_variance_and_the_same_pictures(
    levels: list[torch.Tensor], subjects: tuple[Subject, ...]
) -> None:
    torch.manual_seed(0)
    model = ae.make_autoencoder(SMALL.autoencoder)
    pictures = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        before = model.decode(ae.encode_mean(model, pictures)).sample
        ae.normalise(model, *ae.measure_latents(model, levels, subjects, 16))
        after = model.decode(ae.encode_mean(model, pictures)).sample
        sampled = model.encode(pictures).latent_dist.std
    mean, std = ae.measure_latents(model, levels, subjects, 16)
    assert torch.allclose(before, after, atol=1e-3)
    assert float(mean.abs().max()) < 1e-3 and torch.allclose(std, torch.ones(4), atol=1e-3)
    assert float(sampled.max()) < 1e-3


def test_the_clip_pair_learns_which_words_go_with_which_picture(
    levels: list[torch.Tensor], subjects: tuple[Subject, ...], tokenizer: CLIPTokenizer, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    towers = clip.Towers(SMALL.clip, len(tokenizer))
    losses = clip.make_losses(towers, tokenizer, levels, subjects, SMALL.clip)
    before = float(losses(0)["loss"].detach())
    train(towers, losses, Plan(steps=60, warmup=3, learning_rate=3e-3, average=0.8), tmp_path)
    assert float(losses(0)["loss"].detach()) < 0.8 * before


def test_what_follows_the_end_does_not_change_the_feature(
    tokenizer: CLIPTokenizer,
) -> None:
    towers = clip.Towers(SMALL.clip, len(tokenizer)).eval()
    with torch.no_grad():
        short, long = (towers.text(clip.tokenize(tokenizer, ["a fox"], whole)).text_embeds for whole in (False, True))
    assert torch.allclose(short, long, atol=1e-5)


def unet_run(folder: Path, stops: tuple[int | None, ...]) -> dict[str, torch.Tensor]:
    chance = torch.Generator().manual_seed(1)
    latents = torch.randn(8, 4, 8, 8, generator=chance).half()
    contexts = torch.randn(8, 77, 32, generator=chance).half()
    empty = torch.zeros(77, 32)
    unet = None
    for stop in stops:
        torch.manual_seed(0)
        unet = base.make_unet(SMALL.base, 32, 8)
        losses = base.make_losses(unet, latents, contexts, empty, SMALL.base)
        train(unet, losses, Plan(steps=6, warmup=2, learning_rate=1e-3), folder, stop_at=stop)
    assert unet is not None
    return unet.state_dict()


def test_a_resumed_unet_equals_a_straight_one_bit_for_bit(tmp_path: Path) -> None:
    straight = unet_run(tmp_path / "straight", (None,))
    resumed = unet_run(tmp_path / "resumed", (3, None))
    assert all(torch.equal(value, resumed[name]) for name, value in straight.items())


def test_the_base_model_learns_a_few_latents(tmp_path: Path) -> None:
    chance = torch.Generator().manual_seed(1)
    latents, contexts = torch.randn(4, 4, 8, 8, generator=chance), torch.randn(4, 77, 32, generator=chance)
    torch.manual_seed(0)
    unet = base.make_unet(SMALL.base, 32, 8)
    losses = base.make_losses(unet, latents, contexts, torch.zeros(77, 32), SMALL.base)
    with torch.no_grad():
        before = sum(float(losses(step)["loss"]) for step in range(1000, 1004))
    train(unet, losses, Plan(steps=40, warmup=3, learning_rate=4e-3, average=0.8), tmp_path)
    with torch.no_grad():
        after = sum(float(losses(step)["loss"]) for step in range(1000, 1004))
    assert after < 0.9 * before


def test_a_new_unet_begins_from_an_exported_one_where_they_agree(tmp_path: Path) -> None:
    torch.manual_seed(0)
    looking = base.make_unet(replace(SMALL.base, attention=(True, True)), 32, 8)
    looking.save_pretrained(tmp_path / "unet")
    torch.manual_seed(1)
    plain = base.make_unet(SMALL.base, 32, 8)
    assert not any(name.startswith("down_blocks.0.attentions") for name in plain.state_dict())
    base.begin_from(plain, tmp_path / "unet")
    known = looking.state_dict()
    assert all(torch.equal(value, known[name]) for name, value in plain.state_dict().items())
    wider = base.make_unet(replace(SMALL.base, channels=(16, 48)), 32, 8)
    before = {name: value.clone() for name, value in wider.state_dict().items()}
    base.begin_from(wider, tmp_path / "unet")
    kept = {name for name, value in wider.state_dict().items() if torch.equal(value, before[name])}
    taken = {name for name, value in wider.state_dict().items() if name in known and torch.equal(value, known[name])}
    assert "conv_in.weight" in taken
    assert "down_blocks.1.resnets.0.conv1.weight" in kept


def test_pairs_and_plain_portraits_are_practised_more(subjects: tuple[Subject, ...]) -> None:
    config = replace(SMALL.base, cache=200, plain=2.0, pairs=3.0)
    weights = base.practice_weights(subjects, config)
    assert weights.sum() == pytest.approx(1)
    scenes = [draw_captioned(subjects, base.CACHE_SEED, index)[0] for index in range(200)]
    pair = next(index for index, scene in enumerate(scenes) if len(scene.sprites) == 2)
    styled = next(index for index, scene in enumerate(scenes) if len(scene.sprites) == 1 and scene.style)
    assert weights[pair] == pytest.approx(3 * weights[styled])
