"""Prompts from a file: plain lines and A1111's options a line."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.cli.promptlines import fields_of, read_prompts
from easel.core.errors import BadValue, RequestError, UnknownName
from tests.cli.conftest import Easel
from tests.cli.scripted import ScriptedClient


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("a red fox, snow", {"prompt": "a red fox, snow"}),
        ("--prompt a red fox --steps 30", {"prompt": "a red fox", "steps": 30}),
        ('--prompt "a -- b" --cfg_scale 6.5', {"prompt": "a -- b", "guidance": {"scale": 6.5}}),
        ("--prompt 여우 --width 128 --height 192", {"prompt": "여우", "width": 128, "height": 192}),
        ("--prompt a --seed -1", {"prompt": "a"}),
        (
            "--prompt a --subseed 3 --subseed_strength 0.2 --seed_resize_from_w 64 --seed_resize_from_h 96",
            {"prompt": "a", "variation": {"seed": 3, "strength": 0.2, "resize_from": (64, 96)}},
        ),
        ("--prompt a --tiling true --sampler_name Euler a", {"prompt": "a", "seamless": "xy", "sampler": "Euler a"}),
    ],
)
def test_lines(line: str, fields: dict[str, Any]) -> None:
    assert fields_of(line, 1) == fields


@pytest.mark.parametrize(
    ("line", "error", "words"),
    [
        ("--promt a", UnknownName, "option on line 7 'promt' is not known; nearest 'prompt'"),
        ("--steps many", BadValue, "--steps on line 7 is 'many', allowed is a number"),
        ('--prompt "a', BadValue, "line 7"),
    ],
)
def test_bad_lines_are_named(line: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        fields_of(line, 7)


@given(st.text(max_size=80))
def test_no_line_crashes(line: str) -> None:
    for text in (line, f"--prompt {line}", f"--steps {line}"):
        with suppress(RequestError):
            fields_of(text, 1)


def test_a_file_without_prompts(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("\n# nothing\n")
    with pytest.raises(BadValue, match="this one holds none"):
        read_prompts(str(tmp_path / "p.txt"))


def test_options_of_a_line_outweigh_those_for_all(easel: Easel, client: ScriptedClient) -> None:
    Path("p.txt").write_text("a fox\n--prompt a whale --steps 9 --cfg_scale 2\n", encoding="utf-8")
    assert easel("txt2img", "--prompts", "p.txt", "--steps", "5", "--rescale", "0.5", "--seed", "1").code == 0
    asked = sorted((r.prompt, r.steps, r.guidance.scale, r.guidance.rescale) for r in client.requests)
    assert asked == [("a fox", 5, None, 0.5), ("a whale", 9, 2.0, 0.5)]
