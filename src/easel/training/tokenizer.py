"""The starter's words: a byte-level BPE in CLIP's format, trained on the caption grammar.

All 512 byte tokens are in it, so any text in any language has a spelling.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import CLIPTokenizer

from easel.training.captions import english, korean
from easel.training.scenes import draw_scene, generator
from easel.training.subjects import Subject

START, END, WORD_END = "<|startoftext|>", "<|endoftext|>", "</w>"
CONTEXT = 77


def grammar_text(subjects: Sequence[Subject], count: int, seed: int = 5) -> Iterator[str]:
    """`count` scenes, each said in both languages, and every name once."""
    for index in range(count):
        rng = generator(seed, index)
        scene = draw_scene(rng, len(subjects))
        yield english(scene, subjects, rng)
        yield korean(scene, subjects, rng)
    yield from names_text(subjects)


def names_text(subjects: Sequence[Subject]) -> Iterator[str]:
    """Every name of the subjects once."""
    for subject in subjects:
        yield from (name.lstrip("~") for name in (*subject.english, *subject.english_extra))
        yield from (*subject.korean, *subject.korean_extra)


def train_tokenizer(texts: Iterable[str], folder: Path, size: int = 2560) -> CLIPTokenizer:
    """Learns at most `size` tokens, writes vocab.json and merges.txt to `folder`, and loads them as CLIPTokenizer."""
    learner = CLIPTokenizer().backend_tokenizer
    letters = sorted(ByteLevel.alphabet())
    trainer = BpeTrainer(
        vocab_size=size - len(letters) - 2,
        initial_alphabet=letters,
        end_of_word_suffix=WORD_END,
        show_progress=False,
        min_frequency=2,
    )
    learner.train_from_iterator(texts, trainer)
    merges = [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]
    words = [*letters, *(letter + WORD_END for letter in letters)]
    words += dict.fromkeys(left + right for left, right in merges)
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys([*words, START, END]))}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    tokenizer = load_tokenizer(folder)
    tokenizer.save_pretrained(folder)
    return tokenizer


def load_tokenizer(folder: Path) -> CLIPTokenizer:
    """The tokenizer of a folder with vocab.json and merges.txt."""
    return CLIPTokenizer.from_pretrained(folder, model_max_length=CONTEXT)
