"""Ctrl-C and a reader that leaves: real processes, for signals and pipes are the operating system's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from easel import app
from easel.cli.main import main
from tests.cli.scripted import ScriptedClient
app.open_client = lambda settings: ScriptedClient(step_seconds=0.02)
sys.exit(main())
"""

SHOW_CURSOR, HIDE_CURSOR = b"\x1b[?25h", b"\x1b[?25l"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@contextmanager
def started(home: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run `easel ARGUMENTS...` with the scripted client in a process of its own."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM, *arguments]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=home, env=environment, stdout=pipe, stderr=pipe, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopping_keeps_what_is_finished(home: Path, number: signal.Signals, code: int) -> None:
    with started(home, "txt2img", "a fox", "slow fox", "--steps", "1000", "--seed", "1") as process:
        kept = first_line(process).strip()
        process.send_signal(number)
        began = time.monotonic()
        out, err = process.communicate(timeout=10)
    assert time.monotonic() - began < 5
    assert (process.returncode, out) == (code, "")
    folder, name = os.path.split(kept)
    assert err.splitlines() == [
        "stopping after this step; Ctrl-C again leaves at once",
        f"stopped; kept 1 of 2 pictures in {folder}: {name}",
    ]
    assert [path.name for path in (home / folder).iterdir()] == [name]


def test_the_second_time_leaves_at_once(home: Path) -> None:
    with started(home, "txt2img", "a fox", "deaf fox", "--steps", "1000") as process:
        first_line(process)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None and "stopping" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_before_the_first_step_there_is_nothing_to_wait_for(home: Path) -> None:
    with started(home, "txt2img", "loading fox") as process:
        assert process.stderr is not None and process.stderr.readline() == "loading\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err


def test_a_reader_that_leaves_ends_the_rest(home: Path) -> None:
    with started(home, "txt2img", "a fox", "slow fox", "slow owl", "--steps", "20") as process:
        first_line(process)
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
        process.wait(timeout=10)
    assert (process.returncode, err) == (1, "")


@pytest.mark.parametrize("arguments", [["models", "samplers"], ["--help"], ["models", "schedules", "--json"]])
def test_lists_survive_a_reader_that_leaves(home: Path, arguments: list[str]) -> None:
    with started(home, *arguments) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
        process.wait(timeout=10)
    assert (process.returncode, err) == (1, "")


def test_a_bar_and_ctrl_c_on_a_terminal(home: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-W", "error", "-c", PROGRAM, "txt2img", "slow fox", "--steps", "1000"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "TERM": "xterm", "COLUMNS": "80"}
    process = subprocess.Popen(command, cwd=home, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    try:
        while b"ETA" not in seen:
            seen += os.read(ours, 4096)
        process.send_signal(signal.SIGINT)
        with suppress(OSError):  # the other end is closed
            while more := os.read(ours, 4096):
                seen += more
        code = process.wait(timeout=10)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert code == 130
    assert b"drawing" in seen and b"/1000 steps" in seen and b"it/s" in seen
    assert b"stopped; no picture was finished" in seen and b"Traceback" not in seen
    assert seen.rindex(SHOW_CURSOR) > seen.rindex(HIDE_CURSOR)
