"""What makers wrote of their files, and what tools put beside them, as strangers' words."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from easel.models.library.cards import LONGEST, TAGS_SHOWN, card_of


def lora(file: Path, **metadata: str) -> Path:
    save_file({"lora_unet_x.alpha": torch.zeros(1)}, file, metadata={name: text for name, text in metadata.items()})
    return file


def test_metadata_of_trainers_is_told(tmp_path: Path) -> None:
    tags = {"10_ink": {"ink": 3, " fox": 2}, "5_more": {"ink": 1, "hare": "many"}, "x": []}
    told = {"ss_output_name": "ink", "ss_network_dim": "32", "ss_tag_frequency": json.dumps(tags)}
    file = lora(tmp_path / "ink.safetensors", **told, **{"modelspec.title": "Ink", "modelspec.usage_hint": "4 steps"})
    assert card_of(file) == {"Title": "Ink", "Use": "4 steps", "Rank": "32", "Tags": "ink, fox"}


def test_trigger_words_beside_a_file_are_told_once(tmp_path: Path) -> None:
    file = lora(tmp_path / "ink.v1.safetensors")
    assert card_of(file) == {}
    (tmp_path / "ink.v1.civitai.info").write_text(
        json.dumps({"trainedWords": ["inky", " ", 7, "fox "]}), encoding="utf-8"
    )
    (tmp_path / "ink.v1.json").write_text(json.dumps({"activation text": "inky"}), encoding="utf-8")
    assert card_of(file) == {"Words": "inky, fox"}
    (tmp_path / "ink.v1.civitai.info").write_text("{", encoding="utf-8")
    assert card_of(file) == {"Words": "inky"}


def test_strangers_steer_no_terminal(tmp_path: Path) -> None:
    file = lora(tmp_path / "x.safetensors", **{"modelspec.title": "a\x1b[2Jb\nc", "ss_tag_frequency": "[" * 9999})
    assert card_of(file) == {"Title": "a [2Jb c"}
    many = json.dumps({"x": {f"tag{place:03} {'long' * 20}": 1000 - place for place in range(500)}})
    tags = card_of(lora(tmp_path / "y.safetensors", ss_tag_frequency=many))["Tags"]
    assert len(tags) == LONGEST + 1 and tags.startswith("tag000 ") and f"tag{TAGS_SHOWN:03}" not in tags


def test_a_damaged_file_has_no_card(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"x")
    assert card_of(tmp_path / "x.safetensors") == {} == card_of(tmp_path)
