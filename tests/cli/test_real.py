"""The command line before the real engine and a tiny model."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Easel
from tests.tiny import tiny_folder as tiny_folder


def test_pictures_from_the_engine(easel: Easel, tiny_folder: Path) -> None:
    asked = ("--model", str(tiny_folder), "--steps", "2", "--size", "32", "--seed", "3")
    ending = easel("txt2img", "a fox", "한 여우", *asked)
    assert (ending.code, len(ending.lines)) == (0, 2)
    shown = [easel("info", path).out for path in ending.lines]
    assert sorted(text.splitlines()[0] for text in shown) == ["Prompt         a fox", "Prompt         한 여우"]
    assert all("Steps          2" in text and "Size           32x32" in text for text in shown)
