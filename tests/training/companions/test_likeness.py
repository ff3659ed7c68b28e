"""The picture prompt at toy size: diffusers reads its file, it learns what a picture tells, resumed is straight."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file

from easel.training.companions import likeness, opening
from easel.training.embedded.recipe import toy
from easel.training.learning.loop import Losses, Plan, train
from easel.training.networks.export import load
from easel.training.networks.unet import encode_text, make_unet
from easel.training.world.source import Source

SMALL = toy()
WIDTH, SIDE, FEATURES, ROWS = 32, 4, 24, 6
CONFIG = likeness.LikenessConfig(batch=4, wordless=1.0)
COMPANION = opening.MODEL.parent / "companions" / "ip_adapter" / likeness.FILE


def tiny_unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return make_unet(SMALL.base, WIDTH, SIDE).requires_grad_(False).eval()


def worn() -> tuple[UNet2DConditionModel, likeness.PicturePrompt]:
    unet = tiny_unet()
    torch.manual_seed(1)
    prompt = likeness.PicturePrompt(unet, FEATURES)
    prompt.worn_by(unet)
    return unet, prompt


def rows() -> likeness.Rows:
    """Plain latents, each of a brightness that only its features tell."""
    bright = torch.tensor([-1.5, -0.9, -0.3, 0.3, 0.9, 1.5])
    features = torch.randn(ROWS, FEATURES, generator=torch.Generator().manual_seed(1)) + bright[:, None]
    latents = bright[:, None, None, None].expand(-1, 4, SIDE, SIDE)
    return {"latents": latents.half(), "contexts": torch.zeros(ROWS, 77, WIDTH).half(), "features": features.half()}


def losses_of(unet: UNet2DConditionModel, prompt: likeness.PicturePrompt) -> Callable[[int], Losses]:
    return likeness.make_losses(unet, prompt, rows(), torch.zeros(1, 77, WIDTH), CONFIG)


@torch.no_grad()
def total(unet: UNet2DConditionModel, prompt: likeness.PicturePrompt) -> float:
    losses = losses_of(unet, prompt)
    return sum(float(losses(step)["loss"]) for step in range(1000, 1004))


def test_the_file_has_the_published_names_and_diffusers_reads_the_same_of_it(tmp_path: Path) -> None:
    unet, prompt = worn()
    prompt.requires_grad_(False)
    state = load_file(prompt.save(tmp_path / "picture.safetensors", {"title": "words"}))
    looks = {name.split(".")[1] for name in state if name.startswith("ip_adapter.")}
    assert looks == {"1", "3", "5", "7"}  # four looks at the words, in diffusers' order
    projection = {"proj.weight", "proj.bias", "norm.weight", "norm.bias"}
    assert set(state) == {f"image_proj.{name}" for name in projection} | {
        f"ip_adapter.{look}.{kind}.weight" for look in looks for kind in ("to_k_ip", "to_v_ip")
    }
    theirs: Any = tiny_unet()
    parts: dict[str, dict[str, torch.Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in state.items():
        part, rest = name.split(".", 1)
        parts[part][rest] = tensor.float()
    theirs._load_ip_adapter_weights([parts], low_cpu_mem_usage=False)
    rng = torch.Generator().manual_seed(2)
    x, context = torch.randn(2, 4, SIDE, SIDE, generator=rng), torch.randn(2, 77, WIDTH, generator=rng)
    features, t = torch.randn(2, FEATURES, generator=rng), torch.tensor([900, 100])
    with torch.no_grad():
        ours = likeness.led(unet, prompt, context, features)(x, t)
        read = theirs(x, t, context, added_cond_kwargs={"image_embeds": [features[:, None]]}).sample
        plain = tiny_unet()(x, t, context).sample
    assert (ours - read).abs().max() < 2e-3 < (ours - plain).abs().max()


def test_it_learns_what_the_picture_tells_and_the_unet_stays(tmp_path: Path) -> None:
    unet, prompt = worn()
    before = {name: tensor.clone() for name, tensor in tiny_unet().state_dict().items()}
    first = total(unet, prompt)
    train(prompt, losses_of(unet, prompt), Plan(steps=50, warmup=3, learning_rate=2e-2, average=0.8), tmp_path)
    assert total(unet, prompt) < 0.85 * first
    assert all(torch.equal(unet.state_dict()[name], tensor) for name, tensor in before.items())


def test_a_resumed_run_equals_a_straight_one_bit_for_bit(tmp_path: Path) -> None:
    plan, results = Plan(steps=5, warmup=2, learning_rate=1e-3), []
    for name, stops in (("straight", (None,)), ("resumed", (2, None))):
        unet, prompt = worn()
        for stop in stops:
            unet, prompt = worn()
            train(prompt, losses_of(unet, prompt), plan, tmp_path / name, stop_at=stop)
        results.append(prompt.state_dict())
    assert all(torch.equal(value, results[1][name]) for name, value in results[0].items())
    assert not torch.equal(results[0]["image_proj.proj.bias"], worn()[1].image_proj.proj.bias)


def test_nearer_is_the_share_of_the_others_that_are_further() -> None:
    prompts = torch.eye(5)
    assert likeness.nearer(prompts * 3, prompts).tolist() == [1.0] * 5
    results = prompts.clone()
    results[0] = torch.tensor([1.0, 0.5, 2.0, 0.0, -1.0])  # prompt 2 is nearer than its own
    assert likeness.nearer(results, prompts).tolist() == [0.75, 1.0, 1.0, 1.0, 1.0]
    assert likeness.share(results, prompts).startswith("95.0%")
    assert likeness.nearer(prompts.flip(0), prompts).tolist()[0] == 0.0


def test_rows_hold_what_clip_sees(exported: Path, source: Source, tmp_path: Path) -> None:
    tokenizer, towers, autoencoder, _ = load(exported)
    made = likeness.make_rows(towers, tokenizer, autoencoder, source, 4, tmp_path)
    assert {name: tuple(tensor.shape) for name, tensor in made.items()} == {
        "latents": (4, 4, 16, 16),
        "contexts": (4, 77, 32),
        "features": (4, 32),
    }
    clean = likeness.compose(source, likeness.SEED, range(4)).pictures
    seen = likeness.features_of(towers, clean)
    assert torch.allclose(made["features"][1::2].float(), seen[1::2], atol=2e-3)  # the others are of decoded latents
    assert not torch.allclose(made["features"][::2].float(), seen[::2], atol=2e-3)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_dropped_words_are_not_read(share: float) -> None:
    unet, prompt = worn()
    config = likeness.LikenessConfig(batch=4, wordless=share)
    few = rows()
    other = {**few, "contexts": torch.randn(few["contexts"].shape, generator=torch.Generator().manual_seed(3)).half()}
    empty = torch.zeros(1, 77, WIDTH)
    with torch.no_grad():
        one, two = (
            float(likeness.make_losses(unet, prompt, some, empty, config)(step)["loss"])
            for some in (few, other)
            for step in (0,)
        )
    assert (one == two) is (share == 1.0)


@pytest.mark.skipif(not COMPANION.is_file(), reason="it is not made yet")
def test_the_companion_draws_what_its_picture_shows(practised: Source) -> None:
    tokenizer, towers, autoencoder, unet = load(opening.MODEL)
    state = load_file(COMPANION)
    prompt = likeness.PicturePrompt(unet, state["image_proj.proj.weight"].shape[1]).requires_grad_(False)
    prompt.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    prompt.worn_by(unet)
    pictures = likeness.compose(practised, likeness.UNSEEN_SEED, range(10)).pictures
    wanted, empty = likeness.features_of(towers, pictures), encode_text(towers, tokenizer, [""])
    drawn = likeness.draw_alike(unet, prompt, autoencoder, wanted[:4], empty, empty, 10)
    near = likeness.nearer(likeness.features_of(towers, drawn), wanted)
    assert near.mean() > 0.7
