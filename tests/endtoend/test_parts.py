"""Parts from other files, from the name in a request to the picture and its infotext, and back."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

from easel.core.errors import ModelError, UnknownName
from easel.core.passes import Components
from easel.prompt import infotext
from easel.prompt.recall import recall
from tests.endtoend.house import Drawn, House, ask, psnr
from tests.layouts import flux, taesd
from tests.layouts.text import clip, t5
from tests.ldm import SMALL_1, Shapes, checkpoint_shapes, clip_shapes, filled, unet_shapes, vae_shapes, write_ldm
from tests.tiny_families import write_pieces

NEAR = 80  # dB
MODEL = {"model": "own"}


def write(folder: Path, name: str, shapes: Shapes, seed: int) -> None:
    write_ldm(folder / f"{name}.safetensors", filled(shapes, seed))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two single files, one with an autoencoder beside it, and parts in the folders of their kinds."""
    folder = tmp_path_factory.mktemp("parts")
    write(folder, "own", checkpoint_shapes(SMALL_1), 1)
    write(folder, "beside", checkpoint_shapes(SMALL_1), 1)
    write(folder, "beside.vae", vae_shapes(SMALL_1), 2)
    write(folder / "vae", "colours", vae_shapes(SMALL_1), 2)
    write(folder / "vae", "quick", taesd.decoder(), 3)
    write(folder / "vae", "deep", vae_shapes(flux.SMALL_DEV.latent), 3)
    write(folder / "unet", "denoiser", unet_shapes(SMALL_1), 4)
    write(folder / "text_encoders", "reader", clip_shapes(SMALL_1), 5)
    return folder


@pytest.fixture
def house(folder: Path) -> House:
    return House(folder)


def drawn(house: House, model: str = "own", **parts: object) -> Drawn:
    return house.one(model=model, components=Components(**parts))  # type: ignore[arg-type]


def same_picture(one: Drawn, other: Drawn) -> bool:
    return one.pictures[0].image.tobytes() == other.pictures[0].image.tobytes()


def test_a_vae_changes_the_picture_and_not_the_latents(house: House) -> None:
    own, colours, quick = drawn(house), drawn(house, vae="colours"), drawn(house, vae="quick")
    for other in (colours, quick):
        assert torch.equal(own.latents, other.latents)
        assert not same_picture(own, other)
    assert not same_picture(colours, quick)


def test_one_beside_the_checkpoint_is_taken_unless_it_is_told_otherwise(house: House) -> None:
    beside, own = drawn(house, "beside"), drawn(house)
    assert same_picture(beside, drawn(house, vae="colours"))
    assert same_picture(drawn(house, "beside", vae="none"), own)
    assert same_picture(drawn(house, "beside", vae="None"), own)
    assert not same_picture(beside, own)


def test_requests_that_differ_in_their_vae_share_the_denoiser(house: House) -> None:
    vaes = (None, "colours", "quick", "none")
    house.one(**MODEL)  # what forwards cost is then known
    alone = [drawn(house, vae=vae) for vae in vaes]
    together = house.draw(*(ask(**MODEL, components=Components(vae=vae)) for vae in vaes))
    assert house.forwards["Evaluate"] <= 6, "3 shared by the later ones, and at most 3 of the first while they load"
    assert min(psnr(one.latents, other.latents) for one, other in zip(alone, together, strict=True)) >= NEAR


def test_a_denoiser_and_a_text_encoder(house: House) -> None:
    own, denoiser, reader = drawn(house), drawn(house, denoiser="denoiser"), drawn(house, text_encoders=("reader",))
    both = drawn(house, denoiser="denoiser", text_encoders=("reader",), vae="colours")
    found = [own, denoiser, reader, both]
    assert all(psnr(a.latents, b.latents) < 60 for i, a in enumerate(found) for b in found[:i])


def test_flux_from_four_files(tmp_path: Path) -> None:
    size = flux.SMALL_DEV
    write(tmp_path / "unet", "dev", flux.flux_shapes(size), 1)
    write(tmp_path / "vae", "ae", vae_shapes(size.latent), 2)
    write(tmp_path / "text_encoders", "clip_l", clip(size.text), 3)
    write(tmp_path / "text_encoders", "t5xxl", t5(size.t5), 4)
    write_pieces(tmp_path / "text_encoders")
    house = House(tmp_path)
    parts = Components(vae="ae", text_encoders=("clip_l", "t5xxl"))
    (found,) = house.draw(ask(model="dev", components=parts))
    assert found.error is None and found.pictures[0].image.size == (32, 32)
    said = recall(infotext.read(found.infotext))
    assert not said.ignored
    assert said.request().components == parts
    assert said.request().model == "dev"


def test_infotext_tells_of_parts_and_is_read_back(house: House, folder: Path) -> None:
    parts = Components(vae="colours", denoiser="denoiser", text_encoders=("reader",))
    text = house.one(**MODEL, components=parts).infotext
    digest = hashlib.sha256((folder / "vae" / "colours.safetensors").read_bytes()).hexdigest()[:10]
    assert f"VAE hash: {digest}, VAE: colours" in text
    assert "Module 1: reader" in text
    assert recall(infotext.read(text)).request().components == parts
    assert recall(infotext.read(drawn(house, vae="none").infotext)).request().components.vae == "none"
    assert "VAE" not in drawn(house).infotext


def test_a_part_that_is_not_there_is_refused_at_once(house: House) -> None:
    with pytest.raises(UnknownName, match="VAE 'colors' is not known; nearest 'colours'") as caught:
        house.draw(ask(**MODEL, components=Components(vae="colors")))
    assert "easel models list --kind vae" in str(caught.value)


@pytest.mark.parametrize(
    ("part", "file", "words"),
    [
        ("vae", "vae/deep", "has no autoencoder (VAE) that Stable Diffusion 1.x can read"),
        ("vae", "unet/denoiser", "has no autoencoder (VAE)"),
        ("denoiser", "vae/colours", "has no U-Net or transformer"),
        ("text_encoders", "unet/denoiser", "has no text encoder"),
    ],
)
def test_a_wrong_part_is_one_clear_line(house: House, folder: Path, part: str, file: str, words: str) -> None:
    """And ends that request alone."""
    name = str(folder / f"{file}.safetensors")
    parts = Components.model_validate({part: (name,) if part == "text_encoders" else name})
    wrong, right = house.draw(ask(**MODEL, components=parts), ask(**MODEL, seed=4))
    assert isinstance(wrong.error, ModelError)
    assert str(wrong.error).startswith(f"{name}: {words}") and "\n" not in str(wrong.error)
    assert right.pictures
