"""CLIP's words beside a converted model: written into a folder, and checked where a file cannot carry them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from easel.core.errors import Mismatch
from easel.models.layouts.folders import class_of
from easel.models.rewriting.pipelines import tokenizer_name
from easel.models.rewriting.stock import Stock, parts_of
from easel.models.words.vocabulary import MARKS, clip_vocabulary

LONGEST = 77  # tokens


def write_words(folder: Path, *, pads_with_end: bool) -> None:
    """Write a CLIP tokenizer; `pads_with_end`: whether it fills up with the end mark, else with token 0 as OpenCLIP."""
    words, merges = clip_vocabulary()
    begin, end = MARKS
    pad = end if pads_with_end else "!"
    folder.mkdir(parents=True)
    write_json(folder / "vocab.json", words)
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    marks: dict[str, Any] = {name: mark(word) for name, word in (("bos_token", begin), ("eos_token", end))}
    marks |= {"unk_token": mark(end), "pad_token": pad}
    write_json(folder / "special_tokens_map.json", marks)
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": LONGEST,
        "do_lower_case": True,
        "errors": "replace",
    }
    config |= {"add_prefix_space": False, "bos_token": begin, "eos_token": end, "unk_token": end, "pad_token": pad}
    write_json(folder / "tokenizer_config.json", config)


def check_words(stock: Stock) -> None:
    """Raise Mismatch for a folder whose words are not CLIP's, with which alone single files are read."""
    if stock.identity.layout != "folder":
        return
    words, _ = clip_vocabulary()
    for part in parts_of(stock.source):
        if class_of(dict(stock.source.config(part))).startswith("CLIP"):
            known = stock.source.reader(part).tokenizer.get_vocab()
            if any(known.get(word) != number for word, number in words.items()):
                raise Mismatch(
                    f"{stock.where}: its {tokenizer_name(part)} has {len(known)} words of its own, which a single file "
                    "cannot carry; it can only be a folder."
                )


def mark(word: str) -> dict[str, Any]:
    """Return a mark as tokenizers describe it."""
    return {"content": word, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}


def write_json(file: Path, value: Any) -> None:
    """Write a value as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
