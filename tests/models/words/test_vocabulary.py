"""CLIP's own vocabulary: OpenAI's numbers, and the same tokenizer whether from the package or from its two files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from easel.core.work import Text
from easel.models.words.tokens import bundled_reader
from easel.models.words.vocabulary import clip_vocabulary

TEXTS = (
    "a photo of a cat",
    "(masterpiece:1.2), best quality, 1girl, it's  the 8k\nDSLR's view!!",
    "빨간 여우 🦊 naïve café ﬁ Ⅷ ½",
    "<|startoftext|>x<|endoftext|> y",
    "",
)


def test_the_numbers_are_published_ones() -> None:
    words, merges = clip_vocabulary()
    assert (len(words), len(merges), len(set(merges))) == (49408, 48894, 48894)
    assert (words["<|startoftext|>"], words["<|endoftext|>"], words[",</w>"], words["!"]) == (49406, 49407, 267, 0)
    reader = bundled_reader()
    assert reader.tokens("a photo of a cat") == [320, 1125, 539, 320, 2368]
    assert reader.tokens("Hello, World!") == [3306, 267, 1002, 256]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The vocabulary as the two files of openai/clip-vit-large-patch14."""
    folder = tmp_path_factory.mktemp("tokenizer")
    words, merges = clip_vocabulary()
    (folder / "vocab.json").write_text(json.dumps(words), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("text", TEXTS)
def test_ids_are_transformers_from_files(files: Path, text: str) -> None:
    from transformers import CLIPTokenizer

    theirs = CLIPTokenizer.from_pretrained(files)
    reader = bundled_reader()
    assert reader.tokens(text) == theirs.encode(text, add_special_tokens=False)
    (chunk, *_) = reader.chunks(Text("a red fox"))
    assert list(chunk.ids) == theirs("a red fox", padding="max_length", max_length=77).input_ids


def test_padding_is_the_end_or_nought() -> None:
    assert [bundled_reader(pads_with_end=pads).marks.pad for pads in (True, False)] == [49407, 0]
