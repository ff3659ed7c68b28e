"""`easel models merge`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.cli.conftest import Easel
from tests.ldm import SMALL_1, random_tensors, write_ldm

ROOT = Path(__file__).parents[2]


@pytest.fixture
def models(home: Path) -> Path:
    """Two small checkpoints, a and b, in the models folder."""
    for seed, name in enumerate("ab"):
        tensors = {
            key: value[:64].clone() if "token_" in key else value
            for key, value in random_tensors(SMALL_1, seed).items()
        }
        write_ldm(home / "models" / f"{name}.safetensors", tensors)
    return home / "models"


def test_a_merge_says_what_it_made(easel: Easel, home: Path, models: Path) -> None:
    shown = easel(
        "models", "merge", "a", "b", "--out", "models/half.safetensors", "--ratio", "0.5", "--dtype", "float16"
    )
    assert (shown.code, shown.out) == (0, "models/half.safetensors\n")
    assert shown.err.startswith("8.7 MB in ") and shown.err.endswith(" s: sd 1.x, float16, predicts epsilon\n")
    one, two, out = (load_file(models / f"{name}.safetensors") for name in ("a", "b", "half"))
    name = "model.diffusion_model.out.2.weight"
    torch.testing.assert_close(out[name], ((one[name] + two[name]) / 2).half())
    told = easel("models", "info", "half")
    assert told.code == 0 and "a, b" in told.out


def test_json_tells_the_same(easel: Easel, models: Path) -> None:
    arguments = ("--blocks", "GRAD_V", "--text-ratio", "1", "--vae", "models/b.safetensors", "--json")
    shown = easel("models", "merge", "models/a.safetensors", "b", "--out", "out.safetensors", *arguments)
    facts = json.loads(shown.out)
    assert (shown.err, facts["family"], facts["variant"], facts["dtype"]) == ("", "sd", "1.x", "float32")
    assert facts["bytes"] == Path("out.safetensors").stat().st_size and facts["seconds"] >= 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("a", "c"), 2, "model 'c' is not known. `easel models list` lists all"),
        (("a", "b", "--method", "add"), 2, "merge method 'add' is not known"),
        (("a", "b", "--ratio", "2"), 2, "error: --ratio is 2.0, allowed is 0 to 1"),
        (("a", "b", "--method", "difference"), 2, "models is 'A, B', allowed is A, B, C"),
        (
            ("a", "b", "--blocks", "0.1,0.2"),
            2,
            "allowed is 9 numbers (IN00 to OUT03), or one more with the base first; 2",
        ),
        (("a", "b", "--vae", "none"), 2, "'none' is not known"),
        (("a", "starter"), 1, "predicts v_prediction"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    easel: Easel, home: Path, models: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    shown = easel("models", "merge", *arguments, "--out", "out.safetensors")
    assert (shown.code, shown.out, shown.err.count("\n")) == (code, "", 1)
    assert words in shown.err and not (home / "out.safetensors").exists()


def test_nothing_is_written_over_unasked(easel: Easel, models: Path) -> None:
    shown = easel("models", "merge", "a", "b", "--out", "models/a.safetensors")
    assert shown.code == 2 and "--force replaces what is there" in shown.err
    assert easel("models", "merge", "a", "b", "--out", "models/a.safetensors", "--force").code == 0


PROGRAM = """
import sys, time
from easel.cli.main import main
from easel.models.rewriting import merging
merged = merging.merged
def slow(*arguments):
    time.sleep(0.05)
    return merged(*arguments)
merging.merged = slow
sys.exit(main())
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_merge_leaves_nothing(home: Path, models: Path, number: signal.Signals, code: int) -> None:
    command = [
        sys.executable,
        "-W",
        "error",
        "-c",
        PROGRAM,
        "models",
        "merge",
        "a",
        "b",
        "--out",
        "new/out.safetensors",
    ]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    with subprocess.Popen(command, cwd=home, env=environment, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 300  # where much else runs, torch alone is a minute on its way
        while not any(home.glob("new/.out*")) and time.monotonic() < until and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(number)
        _, err = process.communicate(timeout=300)
    said = [line for line in err.splitlines() if not line.startswith("merging: ")]  # every ten seconds
    assert (process.returncode, said) == (code, ["stopped; nothing was written."])
    assert not list((home / "new").iterdir())
