"""Edge agreement's laws, the ControlNet at toy size: changes nothing at first, learns, resumes, is diffusers'."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from PIL import Image, ImageDraw

from easel.core.errors import BadValue
from easel.media.hints import hint_of
from easel.training.companions import control, opening
from easel.training.companions.agreement import edge_agreement, within
from easel.training.companions.moved import draw_moved
from easel.training.embedded.recipe import toy
from easel.training.learning.loop import Losses, Plan, train
from easel.training.networks.export import load, save_half
from easel.training.networks.unet import encode_text, make_unet
from easel.training.world.source import Source
from easel.training.world.subjects import Subject

SMALL = toy()
WIDTH, SIDE, ROWS = 32, 4, 6
CONFIG = control.ControlConfig(eye=(4, 8, 8, 8), batch=4)
COMPANIONS = opening.MODEL.parent / "companions"


def disc(left: int) -> Image.Image:
    picture = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(picture).ellipse((left, 16, left + 24, 40), fill="navy")
    return picture


@pytest.mark.parametrize(("moved", "least", "most"), [(0, 1.0, 1.0), (2, 0.95, 1.0), (5, 0.2, 0.8), (36, 0.0, 0.0)])
def test_agreement_falls_as_the_picture_leaves_its_hint(moved: int, least: float, most: float) -> None:
    hint = hint_of(disc(2), "canny")
    assert least <= edge_agreement(disc(2 + moved), hint) <= most


def test_agreement_counts_both_what_lacks_and_what_is_too_much() -> None:
    one, two = disc(2), disc(2)
    ImageDraw.Draw(two).ellipse((38, 16, 62, 40), fill="navy")
    more, less = edge_agreement(two, hint_of(one, "canny")), edge_agreement(one, hint_of(two, "canny"))
    assert abs(more - less) < 1e-9 and abs(more - 2 / 3) < 0.02  # half of one's edges have nothing to meet
    blank = Image.new("RGB", (64, 64))
    assert edge_agreement(blank, hint_of(one, "canny")) == 0.0 and edge_agreement(blank, blank) == 1.0
    with pytest.raises(BadValue, match="size"):
        edge_agreement(one, Image.new("RGB", (32, 64)))


def test_within_is_a_disc() -> None:
    places = torch.zeros(7, 7).bool().numpy()
    places[3, 3] = True
    assert within(places, 0).sum() == 1 and within(places, 1).sum() == 5 and within(places, 2).sum() == 13


def test_moved_scenes_stay_within_the_picture_and_say_no_place(all_subjects: tuple[Subject, ...]) -> None:
    places = set()
    for number in range(60):
        scene, words = draw_moved(all_subjects, 3, number)
        assert (scene, words) == draw_moved(all_subjects, 3, number)
        assert not scene.size_word and not scene.place
        for thing in scene.things:
            assert all(c - thing.size / 2 >= -1e-6 and c + thing.size / 2 <= 1 + 1e-6 for c in thing.centre)
            places.add(round(thing.centre[0], 1))
        if scene.pair:
            axis = 0 if scene.pair == "across" else 1
            first, second = (thing.centre[axis] for thing in scene.things)
            assert first < second
    assert len(places) > 4


def tiny_unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return make_unet(SMALL.base, WIDTH, SIDE).requires_grad_(False).eval()


def rows() -> control.Rows:
    """Latents that are brighter in the half which the hint marks: what only a hint can tell."""
    rng = torch.Generator().manual_seed(1)
    hints = torch.zeros(ROWS, 8 * SIDE, 8 * SIDE, dtype=torch.uint8)
    for number in range(ROWS):
        hints[number, (slice(None), slice(0, 16), slice(16, 32))[number % 3]] = 1
    latents = torch.nn.functional.avg_pool2d(hints[:, None].float(), 8).expand(-1, 4, -1, -1) * 2 - 1
    return {"latents": latents.half(), "contexts": torch.randn(ROWS, 77, WIDTH, generator=rng).half(), "hints": hints}


def heard(module: ControlNetModel) -> None:
    """Opens its ways out, which are zeros at first."""
    for layer in (*module.controlnet_down_blocks, module.controlnet_mid_block):
        assert isinstance(layer, torch.nn.Conv2d)
        torch.nn.init.normal_(layer.weight, std=0.1)


def losses_of(unet: UNet2DConditionModel, module: ControlNetModel) -> Callable[[int], Losses]:
    return control.make_losses(unet, module, rows(), torch.zeros(1, 77, WIDTH), CONFIG)


@torch.no_grad()
def total(unet: UNet2DConditionModel, module: ControlNetModel) -> float:
    losses = losses_of(unet, module)
    return sum(float(losses(step)["loss"]) for step in range(1000, 1004))


def test_a_new_controlnet_changes_nothing_and_no_strength_changes_nothing() -> None:
    unet = tiny_unet()
    module = control.make_controlnet(unet, CONFIG).requires_grad_(False)
    rng = torch.Generator().manual_seed(2)
    x, context = torch.randn(2, 4, SIDE, SIDE, generator=rng), torch.randn(2, 77, WIDTH, generator=rng)
    t, hints = torch.tensor([900, 100]), control.conditioning(rows()["hints"][:2])
    plain = unet(x, t, context).sample
    assert torch.equal(control.led(unet, module, context, hints)(x, t), plain)
    heard(module)
    assert not torch.allclose(control.led(unet, module, context, hints)(x, t), plain, atol=1e-3)
    assert torch.equal(control.led(unet, module, context, hints, strength=0.0)(x, t), plain)


def test_made_louder_it_says_at_one_what_it_said_at_that_strength() -> None:
    unet = tiny_unet()
    module = control.make_controlnet(unet, CONFIG).requires_grad_(False)
    heard(module)
    x, context, hints = (
        torch.ones(1, 4, SIDE, SIDE),
        torch.ones(1, 77, WIDTH),
        control.conditioning(rows()["hints"][:1]),
    )
    with torch.no_grad():
        loud = control.led(unet, module, context, hints, strength=1.4)(x, torch.tensor([500]))
        control.amplify(module, 1.4)
        assert torch.allclose(control.led(unet, module, context, hints)(x, torch.tensor([500])), loud, atol=1e-5)


@pytest.mark.parametrize(("well", "found"), [((2, 3), 2), ((0,), 0), ((), 3)])
def test_it_is_made_no_louder_than_the_goal_needs(well: tuple[int, ...], found: int) -> None:
    blank, wanted, half = (torch.ones(1, 3, 64, 64) for _ in range(3))
    wanted[..., 20:44, 20:44] = -1
    half[..., 20:44, 20:28] = -1  # agrees with half of the edges, which is less than the goal
    shown = {strength: wanted if number in well else blank for number, strength in enumerate(control.STRENGTHS)}
    if not well:
        shown[control.STRENGTHS[found]] = half
    trials = control.Trials([""], torch.zeros(1, 77, WIDTH), control.edges_of(wanted), wanted)
    assert control.least_strength(shown.__getitem__, trials) == control.STRENGTHS[found]


def test_it_learns_to_read_the_hint_and_the_unet_stays(tmp_path: Path) -> None:
    unet = tiny_unet()
    before = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
    module = control.make_controlnet(unet, CONFIG)
    first = total(unet, module)
    train(module, losses_of(unet, module), Plan(steps=40, warmup=3, learning_rate=1e-2, average=0.8), tmp_path)
    assert total(unet, module) < 0.85 * first
    assert all(torch.equal(tensor, before[name]) for name, tensor in unet.state_dict().items())


def test_a_resumed_run_equals_a_straight_one_bit_for_bit(tmp_path: Path) -> None:
    plan, unet = Plan(steps=5, warmup=2, learning_rate=1e-3), tiny_unet()
    results = []
    for name, stops in (("straight", (None,)), ("resumed", (2, None))):
        module = control.make_controlnet(unet, CONFIG)
        for stop in stops:
            module = control.make_controlnet(unet, CONFIG)
            train(module, losses_of(unet, module), plan, tmp_path / name, stop_at=stop)
        results.append(module.state_dict())
    assert all(torch.equal(value, results[1][name]) for name, value in results[0].items())
    assert bool(results[0]["controlnet_mid_block.weight"].any())


def test_rows_are_kept_and_half_the_compositions_are_moved(exported: Path, source: Source, tmp_path: Path) -> None:
    tokenizer, towers, autoencoder, _ = load(exported)
    made = control.make_rows(towers, tokenizer, autoencoder, source, 4, tmp_path)
    assert {name: tuple(rows.shape) for name, rows in made.items()} == {
        "latents": (4, 4, 16, 16),
        "contexts": (4, 77, 32),
        "hints": (4, 128, 128),
    }
    assert set(made["hints"].unique().tolist()) == {0, 1}
    (path,) = tmp_path.iterdir()
    stamp = path.stat().st_mtime_ns
    again = control.make_rows(towers, tokenizer, autoencoder, source, 4, tmp_path)
    assert path.stat().st_mtime_ns == stamp and all(torch.equal(again[name], made[name]) for name in made)


def test_the_folder_is_read_by_diffusers(tmp_path: Path) -> None:
    unet = tiny_unet()
    module = control.make_controlnet(unet, CONFIG).requires_grad_(False)
    heard(module)
    save_half(ControlNetModel.from_config(module.config), module, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "diffusion_pytorch_model.safetensors"}
    theirs = ControlNetModel.from_pretrained(tmp_path, torch_dtype=torch.float32, low_cpu_mem_usage=False)
    x, context, hints = torch.ones(1, 4, SIDE, SIDE), torch.ones(1, 77, WIDTH), torch.ones(1, 3, 8 * SIDE, 8 * SIDE)
    ours, read = (m(x, torch.tensor([500]), context, hints, return_dict=False)[1] for m in (module, theirs))
    assert (ours - read).abs().max() < 5e-3 * ours.abs().max()


@pytest.mark.skipif(not (COMPANIONS / "controlnet" / control.FOLDER).is_dir(), reason="it is not made yet")
def test_the_companion_leads_the_starter(practised: Source) -> None:
    tokenizer, towers, autoencoder, unet = load(opening.MODEL)
    folder, config = COMPANIONS / "controlnet" / control.FOLDER, control.ControlConfig(steps=10)
    module = ControlNetModel.from_pretrained(folder, torch_dtype=torch.float32, low_cpu_mem_usage=False)
    unseen = control.make_trials(towers, tokenizer, practised, 12)
    empty = encode_text(towers, tokenizer, [""])
    with_it, without = (
        control.mean(control.agreements(control.draw_trials(unet, some, autoencoder, unseen, empty, config), unseen))
        for some in (module, None)
    )
    assert with_it > 0.55 and with_it > without + 0.2, (with_it, without)
