"""`easel models convert`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.cli.conftest import Easel
from tests.ldm import SMALL_1, random_tensors, write_ldm


@pytest.fixture
def file(home: Path) -> Path:
    """A small checkpoint in the models folder."""
    tensors = {key: value[:64].clone() if "token_" in key else value for key, value in random_tensors(SMALL_1).items()}
    return write_ldm(home / "models" / "small.safetensors", tensors)


def test_out_s_name_says_which_layout(easel: Easel, home: Path, file: Path) -> None:
    shown = easel("models", "convert", "small", "folder")
    assert (shown.code, shown.out) == (0, "folder\n")
    assert shown.err.endswith(" s: sd 1.x, float32, predicts epsilon\n")
    assert (home / "folder" / "model_index.json").is_file()
    shown = easel("models", "convert", "small", "copy.safetensors", "--prune")
    assert shown.code == 0 and load_file("copy.safetensors").keys() == load_file(file).keys()


def test_json_tells_the_same(easel: Easel, file: Path) -> None:
    shown = easel("models", "convert", "small", "half", "--to", "folder", "--dtype", "float16", "--json")
    facts = json.loads(shown.out)
    assert (shown.err, facts["dtype"], facts["missing"]) == ("", "float16", [])
    assert Path(facts["path"]).is_absolute()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("small", "out", "--to", "zip"), 2, "--to is 'zip', allowed is file or folder"),
        (("small", "out.safetensors", "--to", "folder"), 2, "OUT is 'out.safetensors', allowed is a folder's name"),
        (("small", "out", "--to", "file"), 2, "allowed is a file whose name ends in .safetensors"),
        (("small", "out.safetensors", "--dtype", "fp16"), 2, "number format 'fp16' is not known; nearest 'float16'"),
        (("small", "out.safetensors", "--keep-ema"), 2, "error: --keep-ema is True, allowed is for prune"),
        (("small", "out.safetensors", "--use-ema"), 1, "has no running average"),
        (("small", "models"), 2, "--force replaces what is there"),
        (("small", "models", "--force"), 2, "this is another folder"),
        (("smal", "out.safetensors"), 2, "nearest 'small'"),
        (("starter", "out.safetensors"), 1, "words of its own, which a single file cannot carry"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    easel: Easel, home: Path, file: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    shown = easel("models", "convert", *arguments)
    assert (shown.code, shown.out, shown.err.count("\n")) == (code, "", 1)
    assert words in shown.err
    assert sorted(path.name for path in home.iterdir() if path.name != "cache") == ["models"]
    assert [path.name for path in (home / "models").iterdir()] == ["small.safetensors"]
