"""`easel prompt explain`: the times, weights and chunks it shows are those the recipe uses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from easel.cli.explain import bar, spans
from tests.cli.conftest import Easel


def explained(easel: Easel, *arguments: str) -> dict[str, object]:
    ending = easel("prompt", "explain", *arguments, "--json")
    assert ending.code == 0
    return json.loads(ending.out)


def test_times_weights_and_chunks(easel: Easel) -> None:
    facts = explained(easel, "a (red:1.5) [cat:dog:0.4] AND a tree :0.5", "--steps", "20")
    first, second = facts["parts"]  # type: ignore[misc]
    assert [(text["text"], text["calls"]) for text in first["texts"]] == [
        ("a (red:1.5) cat", list(range(9))),
        ("a (red:1.5) dog", list(range(9, 20))),
    ]
    assert second["weight"] == 0.5
    (chunk,) = first["texts"][0]["chunks"]
    assert chunk["words"] == [["a", 1.0], ["red", 1.5], ["cat", 1.0]]


def test_break_makes_chunks_and_networks_are_named(easel: Easel) -> None:
    facts = explained(easel, "a fox BREAK 여우 <lora:snow:0.5>")
    (text,) = facts["parts"][0]["texts"]  # type: ignore[index]
    assert [[word for word, _ in chunk["words"]] for chunk in text["chunks"]] == [["a", "fox"], ["여우"]]
    (network,) = facts["networks"]  # type: ignore[misc]
    assert (network["kind"], network["name"], network["file"]) == ("lora", "snow", None)
    assert "easel models list --kind lora" in network["problem"]


def test_files_of_networks_and_embeddings_are_shown(easel: Easel, home: Path) -> None:
    for kind, name in (("loras", "snow"), ("embeddings", "fowl")):
        (home / "models" / kind).mkdir(parents=True)
        save_file({"emb_params": torch.ones(3, 256)}, home / "models" / kind / f"{name}.safetensors")
    prompt = "a fowl <lora:snow:0.5> <hypernet:ink:1>, an embedding:owl"
    ending = easel("prompt", "explain", prompt)
    assert ending.code == 0
    assert f"lora snow: {Path('models/loras/snow.safetensors')}" in ending.out.replace(f"{home}/", "")
    assert "hypernet ink: <hypernet:ink> cannot be used" in ending.out
    assert "embedding fowl: 3 vectors of width 256" in ending.out
    assert "embedding owl: embedding 'owl' is not known" in ending.out


def test_second_order_samplers_make_two_calls_a_step(easel: Easel) -> None:
    facts = explained(easel, "[a:b:0.5]", "--steps", "10", "--sampler", "Heun")
    assert (facts["calls"], facts["calls_a_step"]) == (20, 2)


def test_the_second_pass(easel: Easel) -> None:
    facts = explained(easel, "[a:b:1.4]", "--steps", "20", "--hires-steps", "10")
    assert [text["calls"] for text in facts["parts"][0]["texts"]] == [[0, 1, 2, 3], [4, 5, 6, 7, 8, 9]]  # type: ignore[index]


def test_what_people_see(easel: Easel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ending = easel("prompt", "explain", "a (red:1.3) fox [in snow:at night:0.4]", "--steps", "20")
    assert "█████████···········  1-9" in ending.lines
    assert "  a (red:1.3) fox in snow  [" in ending.out
    assert max(map(len, ending.lines)) <= 80


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--steps", "0"], "--steps is 0, allowed is 1 to 1000"),
        (["--sampler", "Eular"], "nearest 'Euler'"),
        (["--model", "startr"], "nearest 'starter'"),
    ],
)
def test_bad_wishes(easel: Easel, arguments: list[str], words: str) -> None:
    ending = easel("prompt", "explain", "a", *arguments)
    assert ending.code == 2
    assert words in ending.err


def test_bars_and_spans() -> None:
    assert bar([0, 1], 4, 4) == "██··"
    assert len(bar(list(range(300)), 1000, 60)) == 60
    assert spans([0, 1, 2, 5, 7, 8]) == "1-3, 6, 8-9"
    assert spans([0, 2, 4, 6, 8]) == "1, 3, 5, 7 ..."
