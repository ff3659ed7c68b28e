"""T5's words: tokens are those of transformers' tokenizer, from every place where a vocabulary may be."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from easel.core.errors import Incomplete
from easel.core.passes import Words
from easel.core.work import Text
from easel.models.words.t5words import piece_reader, places
from tests.tiny_families import PIECES

TEXTS = ("a red fox", "the  foxing, A FOX!", "", " a\nred ", "빨간 fox", "a_b (fox)")


def message(number: int, kind: int, value: bytes) -> bytes:
    """A field of a protocol buffer: of fixed size, or with its length before it."""
    length = bytes([len(value) & 127 | 128, len(value) >> 7]) if kind == 2 else b""
    return bytes([number << 3 | kind]) + length + value


def spiece(pieces: list[tuple[str, float]] = PIECES) -> bytes:
    """A SentencePiece model as sentencepiece writes it: pieces, how it was trained, how it normalises."""
    parts = [message(1, 2, word.encode()) + message(2, 5, struct.pack("<f", score)) for word, score in pieces]
    told = [message(2, 2, b"\x18\x01"), message(3, 2, message(1, 2, b"identity"))]
    return b"".join([message(1, 2, part + b"\x18\x01") for part in parts] + told)


@pytest.fixture
def tokenizer() -> Any:
    from transformers import T5Tokenizer

    return T5Tokenizer(vocab=list(PIECES))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file of weights without a vocabulary, where people keep text encoders."""
    file = tmp_path / "models" / "text_encoder" / "t5xxl.safetensors"
    file.parent.mkdir(parents=True)
    save_file({"shared.weight": torch.zeros(2, 2)}, file)
    return file


def ids(where: Path, text: str, **words: Any) -> list[int]:
    """The tokens of a text, without filling."""
    return list(piece_reader(where).chunk(Text(text, Words(**words)), 1).ids)


@pytest.mark.parametrize("place", [".", "tokenizers/t5", "../tokenizers/t5"])
@pytest.mark.parametrize("name", ["spiece.model", "tokenizer.json"])
def test_tokens_are_the_tokenizer_s(weights: Path, tokenizer: Any, place: str, name: str) -> None:
    folder = weights.parent / place
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    if name == "spiece.model":
        (folder / "tokenizer.json").unlink()
        (folder / name).write_bytes(spiece())
    for text in TEXTS:
        assert ids(weights, text, emphasis="None") == tokenizer(text).input_ids


def test_a_file_may_carry_its_vocabulary(weights: Path, tokenizer: Any) -> None:
    carried = torch.frombuffer(bytearray(spiece()), dtype=torch.uint8)
    save_file({"shared.weight": torch.zeros(2, 2), "text_encoders.t5xxl.spiece_model": carried}, weights)
    assert ids(weights, "a red fox") == tokenizer("a red fox").input_ids


def test_a_folder_s_own_comes_first(tmp_path: Path) -> None:
    found = list(places(tmp_path / "flux" / "text_encoder_2" / "model.safetensors"))
    assert found[:2] == [tmp_path / "flux" / "tokenizer_2", tmp_path / "flux" / "text_encoder_2"]


def test_texts_are_filled_up_and_weighed(weights: Path, tokenizer: Any) -> None:
    (weights.parent / "spiece.model").write_bytes(spiece())
    chunk = piece_reader(weights).chunk(Text("a (red:1.5) BREAK fox"), 8)
    assert len(chunk.ids) == 8
    assert chunk.ids == (*tokenizer("a red fox").input_ids, 0, 0, 0, 0)
    assert chunk.weights == (1.0, 1.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    assert [len(piece_reader(weights).chunk(Text("a " * n), 8).ids) for n in (7, 8, 16)] == [8, 16, 24]


def test_a_clip_s_tokenizer_is_passed_by(weights: Path, tokenizer: Any) -> None:
    (weights.parent / "tokenizer.json").write_text(json.dumps({"model": {"type": "BPE", "vocab": {}}}))
    with pytest.raises(Incomplete, match=r"hf download google/t5-v1_1-xxl spiece.model --local-dir .*text_encoder`"):
        piece_reader(weights)
    (weights.parent / "spiece.model").write_bytes(spiece())
    assert ids(weights, "a") == tokenizer("a").input_ids


def charsmap(said: int) -> bytes:
    """A map of characters that says its length wrongly."""
    return spiece() + message(3, 2, message(2, 2, struct.pack("<I", said) + b"four"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no vocabulary",
        spiece()[:-3],
        spiece()[:400],
        spiece(PIECES[3:]),
        charsmap(400),
        charsmap(3),
        b"\x80" * 20,
    ],
)
def test_damaged_ones_are_named(weights: Path, data: bytes) -> None:
    file = weights.parent / "spiece.model"
    file.write_bytes(data)
    with pytest.raises(Incomplete, match="fetch it again") as caught:
        piece_reader(weights)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"model": {"type": "Unigram", "vocab": 3}}', '{"model": {"type": "Unigram"}}']
)
def test_damaged_json_is_named(weights: Path, text: str) -> None:
    (weights.parent / "tokenizer.json").write_text(text)
    with pytest.raises(Incomplete, match=r"tokenizer\.json.*fetch"):
        piece_reader(weights)
