"""The embedded model's words: a byte-level BPE in CLIP's format, learned from texts.

All 512 byte tokens are in it, so any text in any language has a spelling. Does not know where the texts come from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import CLIPTokenizer

START, END, WORD_END = "<|startoftext|>", "<|endoftext|>", "</w>"
CONTEXT = 77


def train_tokenizer(texts: Iterable[str], folder: Path, size: int) -> CLIPTokenizer:
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


def tokenize(tokenizer: CLIPTokenizer, texts: Sequence[str], whole: bool) -> torch.Tensor:
    """Token numbers (B, L): L is 77 when `whole`, else the batch's longest (what follows the end is never seen)."""
    padding = "max_length" if whole else "longest"
    out = tokenizer(list(texts), padding=padding, max_length=CONTEXT, truncation=True, return_tensors="pt")
    return out["input_ids"]
