"""Networks from a prompt's tag to the picture: every way of asking for them is a model with other weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from easel.adapters.networks.fitting import fitted
from easel.adapters.networks.merging import merged
from easel.adapters.networks.reading import read_network
from easel.core.passes import Hires, Refiner
from easel.core.pictures import Mask, Start
from easel.core.work import Encode
from easel.media.reading import png_bytes
from tests.adapters.networks.making import ALPHA, written
from tests.endtoend.house import House, ask, bits, psnr, write_lora
from tests.recipes.starting import box_mask, scene
from tests.tiny import write_tiny_sd

NEAR = 80  # dB, of float32 in other orders of adding up


@contextmanager
def held_by(house: House, te: float, unet: float, *names: str, model: str = "tiny") -> Iterator[None]:
    """Merge LoRAs into a model by hand, beneath nothing that is merged already."""
    house.shelf.rest()
    parts = house.model(model).parts
    with ExitStack() as stack:
        for name in names:
            fit = fitted(read_network(house.library.find_file("lora", name)), parts).parts
            stack.enter_context(merged(parts["unet"], [(fit["unet"], unet)]))
            stack.enter_context(merged(parts["text_encoder"], [(fit["text_encoder"], te)]))
        yield


START = Start(image=png_bytes(scene(32, 32)), strength=0.6)
WAYS: dict[str, dict[str, Any]] = {
    "words alone": {},
    "a negative prompt": {"negative_prompt": "a dog"},
    "parts joined by AND": {"prompt": "a fox {} AND a hen :0.5"},
    "prompt editing": {"prompt": "a [fox:hen:0.5] {}, [red|blue]"},
    "a second pass": {"hires": Hires(scale=1.5, steps=2)},
    "a second pass by pictures": {"hires": Hires(scale=1.5, steps=2, upscaler="Lanczos")},
    "edges that meet": {"seamless": "xy"},
    "a picture": {"recipe": "image_to_image", "start": START},
    "a mask": {"recipe": "inpaint", "start": START, "mask": Mask(image=png_bytes(box_mask((8, 8, 24, 24), (32, 32))))},
    "itself as refiner": {"refiner": Refiner(model="tiny", switch_at=0.5)},
    "several pictures": {"batch_size": 2},
    "steps enough to merge": {"steps": 12},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_tag_is_a_model_with_other_weights(house: House, way: str) -> None:
    fields = {"prompt": "a fox {}", **WAYS[way]}
    prompt = fields.pop("prompt")
    tagged = house.one(prompt=prompt.format("<lora:one:0.4:0.7>"), **fields)
    plain = house.one(prompt=prompt.format(""), **fields)
    with held_by(house, 0.4, 0.7, "one"):
        same = house.one(prompt=prompt.format(""), **fields)
    assert psnr(tagged.latents, same.latents) >= NEAR
    assert psnr(tagged.latents, plain.latents) < 40
    assert tagged.infotext.startswith(prompt.format("<lora:one:0.4:0.7>"))


@pytest.mark.parametrize(
    ("tags", "te", "unet", "names"),
    [
        ("<lora:one:0.5>", 0.5, 0.5, ["one"]),
        ("<lora:one:0:1>", 0, 1, ["one"]),
        ("<lora:one:1:0>", 1, 0, ["one"]),
        ("<lora:one:unet=0.3:te=-0.2>", -0.2, 0.3, ["one"]),
        ("<lora:one:0.5><lyco:two:0.5>, <lora:three:0.5>", 0.5, 0.5, ["one", "two", "three"]),
        ("<lora:one:0.25> <lora:one:0.25>", 0.5, 0.5, ["one"]),
    ],
)
def test_strengths_and_stacks(house: House, tags: str, te: float, unet: float, names: list[str]) -> None:
    tagged = house.one(prompt=f"a fox {tags}")
    text = f"a fox {'' if ',' not in tags else ', '}"
    with held_by(house, te, unet, *names):
        same = house.one(prompt=text)
    assert psnr(tagged.latents, same.latents) >= NEAR


def test_strength_nothing_is_nothing(house: House) -> None:
    assert torch.equal(house.one(prompt="a fox <lora:one:0>").latents, house.one(prompt="a fox ").latents)


def test_a_dynamic_rank_is_the_file_cut(house: House, folder: Path, tmp_path: Path) -> None:
    network = read_network(folder / "loras" / "one.safetensors")
    tensors: dict[str, torch.Tensor] = {}
    for piece in network.pieces:
        change: Any = piece.change
        tensors[f"{piece.layer}.lora_down.weight"] = change.down[:2]
        tensors[f"{piece.layer}.lora_up.weight"] = change.up[:, :2].reshape(
            len(change.up), 2, *[1] * (change.down.ndim - 2)
        )
        tensors[f"{piece.layer}.alpha"] = torch.tensor(ALPHA / 2)  # half the rank at the same scale
    short = written(tmp_path, tensors, "short")
    cut = house.one(prompt="a fox <lora:one:1:1:2>")
    assert psnr(cut.latents, house.one(prompt=f"a fox <lora:{short}:1>").latents) >= NEAR
    assert psnr(cut.latents, house.one(prompt="a fox <lora:one:1>").latents) < 40


def test_weights_by_block(tmp_path: Path) -> None:
    from diffusers import UNet2DConditionModel

    write_tiny_sd(tmp_path / "tiny")
    torch.manual_seed(1)
    UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 16, 16),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=4,
        norm_num_groups=8,
    ).save_pretrained(tmp_path / "tiny" / "unet")
    house = House(tmp_path)
    write_lora(tmp_path, house.model(), "style", parts={"unet": "lora_unet_"})
    tag = f"<lora:{tmp_path / 'style.safetensors'}:1"
    plain, whole, nothing, everything, inner = (
        house.one(prompt=f"a fox {end}").latents
        for end in ("", f"{tag}>", f"{tag}:lbw=NONE>", f"{tag}:lbw=ALL>", f"{tag}:lbw=INALL>")
    )
    assert torch.equal(plain, nothing)
    assert psnr(whole, everything) >= NEAR
    assert psnr(whole, inner) < 40 and psnr(plain, inner) < 40


def test_the_second_pass_wears_what_its_own_prompt_names(house: House) -> None:
    """And only that, in the text encoder and in the denoiser."""
    house.one(prompt="a fox <lora:one:0.5>", hires=Hires(scale=1.5, steps=2, prompt="a hen <lora:two:0.3>"))
    worn = {
        work.batch.x.shape[-1]: {
            (network.name, strength) for networks in work.batch.networks for network, strength in networks
        }
        for work in house.evaluations()
    }
    assert worn == {4: {("one", 0.5)}, 6: {("two", 0.3)}}
    texts = [text for work in house.works if isinstance(work, Encode) for text in work.texts]
    assert {(text.text.strip(), *(network.name for network, _ in text.networks)) for text in texts} == {
        ("a fox", "one"),
        ("", "one"),
        ("a hen", "two"),
        ("", "two"),
    }


def test_unlike_networks_share_every_forward_and_are_each_alone(house: House) -> None:
    tags = ["", "<lora:one:1>", "<lora:two:0.7>", "<lora:one:0.5><lora:three:0.5>", "<lora:one:-0.4:0.2>"]
    requests = [ask(prompt=f"a fox {tag}", seed=seed, steps=4) for seed, tag in enumerate(tags)]
    alone = [house.draw(request)[0] for request in requests]
    together = house.draw(*requests)
    assert house.forwards["Evaluate"] <= 6, "4 shared, and at most 2 of the first while the others load"
    worst = min(psnr(one.latents, other.latents) for one, other in zip(alone, together, strict=True))
    assert worst >= NEAR


def test_merged_equals_by_rows(house: House) -> None:
    request = ask(prompt="a fox <lora:one:0.8>", steps=12)
    (merged_,) = house.draw(request)
    beside = house.draw(request, ask(prompt="a hen", steps=12))[0]
    difference = (merged_.latents - beside.latents).abs().max()
    assert float(difference) < 1e-4 * float(merged_.latents.abs().max())


def test_what_was_worn_comes_off_bit_for_bit(house: House) -> None:
    parts = house.model().parts
    before = {name: bits(part) for name, part in parts.items()}
    house.one(prompt="a fox <lora:one:1>", steps=12)
    assert bits(parts["unet"]) != before["unet"]  # still merged, for the next of its kind
    plain = house.one()
    assert {name: bits(part) for name, part in parts.items()} == before
    house.one(prompt="a fox <lora:two:1>", steps=12)
    house.shelf.rest()
    assert {name: bits(part) for name, part in parts.items()} == before
    assert torch.equal(house.one().latents, plain.latents)


def test_what_fits_nothing_fails_its_run_alone(house: House, tmp_path: Path) -> None:
    stranger = written(
        tmp_path,
        {
            "lora_unet_single_blocks_0_linear1.lora_down.weight": torch.zeros(4, 3072),
            "lora_unet_single_blocks_0_linear1.lora_up.weight": torch.zeros(21504, 4),
        },
        "stranger",
    )
    bad, good, plain = house.draw(
        ask(prompt=f"a fox <lora:{stranger}:1>"), ask(prompt="a fox <lora:one:1>", seed=4), ask(seed=5)
    )
    assert good.pictures and plain.pictures
    words = str(bad.error)
    assert words.startswith(f"{stranger}: made for Flux") and "\n" not in words


def test_a_file_that_changed_is_read_anew(house: House, tmp_path: Path) -> None:
    file = write_lora(tmp_path, house.model(), "changing", 1)
    first = house.one(prompt=f"a fox <lora:{file}:1>").latents
    write_lora(tmp_path, house.model(), "changing", 2)
    second = house.one(prompt=f"a fox <lora:{file}:1>").latents
    assert psnr(first, second) < 40
    assert psnr(second, house.one(prompt="a fox <lora:two:1>").latents) >= NEAR


def test_a_refiner_of_the_same_kind_wears_them_too(house: House) -> None:
    tagged = house.one(prompt="a fox <lora:one:0.5>", refiner=Refiner(model="other", switch_at=0.4))
    with held_by(house, 0.5, 0.5, "one"), held_by(house, 0.5, 0.5, "one", model="other"):
        same = house.one(prompt="a fox ", refiner=Refiner(model="other", switch_at=0.4))
    assert psnr(tagged.latents, same.latents) >= NEAR
