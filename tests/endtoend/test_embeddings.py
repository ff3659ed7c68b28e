"""Textual inversions from a name in a prompt to the picture: vectors of a word's tokens are that word."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import easel
from easel.core.errors import Mismatch, UnknownName
from easel.core.passes import Hires
from easel.models.words.text import tower
from easel.prompt import infotext
from easel.prompt.recall import recall
from tests.adapters.test_embedding import a1111
from tests.endtoend.house import House, ask, psnr, write_lora
from tests.tiny import write_tiny_sd
from tests.tiny_families import write_tiny_sdxl

WORD = "hen"
NEAR = 80  # dB


def vectors_of(text: Any, word: str = WORD) -> Tensor:
    """The vectors that one of a model's text encoders has for a word's tokens."""
    table: Tensor = tower(text.model).embeddings.token_embedding.weight
    return table.detach()[text.reader.tokens(word)].clone()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion 1 and an XL with embeddings of one word in several kinds of files."""
    folder = tmp_path_factory.mktemp("embeddings")
    write_tiny_sd(folder / "tiny")
    write_tiny_sdxl(folder / "xl")
    house, inner = House(folder), folder / "embeddings"
    inner.mkdir()
    vectors = vectors_of(house.model().text)
    torch.save(a1111(vectors), inner / "newfowl.pt")
    torch.save(a1111(vectors), inner / "oldfowl.pt", _use_new_zipfile_serialization=False)
    save_file({"emb_params": vectors}, inner / "safefowl.safetensors")
    xl = house.model("xl")
    save_file({"clip_l": vectors_of(xl.text), "clip_g": vectors_of(xl.text_2)}, inner / "bothfowl.safetensors")
    return folder


@pytest.fixture
def house(folder: Path) -> House:
    return House(folder)


def hash_of(folder: Path, name: str) -> str:
    (file,) = (folder / "embeddings").glob(f"{name}.*")
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


@pytest.mark.parametrize(
    ("sign", "name"),
    [
        ("", "newfowl"),
        ("", "oldfowl"),
        ("", "safefowl"),
        ("", "NewFowl"),
        ("embedding:", "newfowl"),
        ("embedding:", "safefowl"),
    ],
)
def test_a_name_is_its_vectors(house: House, folder: Path, name: str, sign: str) -> None:
    worded = house.one(prompt=f"a ({WORD}:1.2) in snow", negative_prompt=f"two {WORD}, bad")
    named = house.one(prompt=f"a ({sign}{name}:1.2) in snow", negative_prompt=f"two {sign}{name}, bad")
    assert psnr(worded.latents, named.latents) >= NEAR
    assert f"TI hashes: {name.lower()}: {hash_of(folder, name.lower())}" in named.infotext.replace('"', "")
    assert "TI hashes" not in worded.infotext


def test_both_text_encoders_of_xl(house: House, folder: Path) -> None:
    worded, named, plain = (
        house.one(model="xl", prompt=f"a {word}", negative_prompt=word) for word in (WORD, "bothfowl", "dog")
    )
    assert psnr(worded.latents, named.latents) >= NEAR > psnr(worded.latents, plain.latents)
    assert f"bothfowl: {hash_of(folder, 'bothfowl')}" in named.infotext


def test_one_for_another_model_is_a_word_like_any(house: House) -> None:
    """As A1111 has it; marked as an embedding it is refused in one line, and others go on."""
    drawn = house.one(model="xl", prompt="a newfowl")
    assert drawn.pictures and "TI hashes" not in drawn.infotext
    marked, other = house.draw(ask(model="xl", prompt="an embedding:newfowl"), ask(model="xl", prompt="a fox"))
    assert isinstance(marked.error, Mismatch) and "needs 32 and 48" in str(marked.error).replace("need ", "needs ")
    assert other.pictures


def test_in_a_second_pass_and_in_editing(house: House) -> None:
    worded, named = (
        house.one(prompt=f"a [fox:{word}:0.5]", hires=Hires(scale=1.5, steps=2, prompt=f"two {word}"))
        for word in (WORD, "newfowl")
    )
    assert psnr(worded.latents, named.latents) >= NEAR
    assert "newfowl: " in named.infotext


def test_a_tag_with_the_same_name_is_no_embedding(house: House, tmp_path: Path) -> None:
    file = write_lora(tmp_path, house.model(), "newfowl")
    drawn = house.one(prompt=f"a fox <lora:{file}:0.5>")
    assert "TI hashes" not in drawn.infotext
    assert "Lora hashes" in drawn.infotext


def test_infotext_is_read_back(house: House) -> None:
    drawn = house.one(prompt="a newfowl", negative_prompt="safefowl")
    said = recall(infotext.read(drawn.infotext))
    assert not said.ignored
    assert said.facts["TI hashes"].count(":") == 2
    request = said.request()
    assert (request.prompt, request.negative_prompt) == ("a newfowl", "safefowl")


def test_one_that_is_not_there_is_refused_at_once(house: House) -> None:
    with pytest.raises(UnknownName, match=r"embedding 'newfowk' is not known; nearest .*newfowl") as caught:
        house.draw(ask(prompt="an embedding:newfowk"))
    assert "easel models list --kind embedding" in str(caught.value)


def test_a_file_that_changed_is_read_anew(house: House, folder: Path) -> None:
    """Also where the text was encoded before and is remembered."""
    file, text = folder / "embeddings" / "changing.safetensors", house.model().text
    words, pictures = ("hen", "foxes"), list[bytes]()
    with easel.load("tiny", models=folder, precision="float32") as studio:

        def drawn(prompt: str) -> bytes:
            (picture,) = studio.text_to_image(prompt, steps=2, width=64, height=64, seed=3)
            return picture.image.tobytes()

        for word in words:
            save_file({"emb_params": vectors_of(text, word)}, file)
            pictures += [drawn("a changing"), drawn(f"a {word}")]
    assert pictures[0] == pictures[1] != pictures[2] == pictures[3]


def test_a_network_brings_embeddings_along(house: House, tmp_path: Path) -> None:
    """They are meant by their word while it is worn, and else it is a word like any."""
    file = write_lora(tmp_path, house.model(), "bundle")
    tensors = load_file(file)
    tensors["bundle_emb.brought.string_to_param.*"] = vectors_of(house.model().text)
    save_file(tensors, file)
    tag = f"<lora:{file}:0.5>"
    worded, named, bare, plain = (
        house.one(prompt=f"a {word}").latents for word in (f"hen {tag}", f"brought {tag}", "brought", "hen")
    )
    assert psnr(worded, named) >= NEAR > psnr(bare, plain)
