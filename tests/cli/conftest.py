"""The command line in this process, with a scripted client behind it, in a folder of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from easel.cli.main import main
from tests.cli.scripted import ScriptedClient


@dataclass
class Ending:
    """What a command left: its exit code, its output and what it said on stderr."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Easel = Callable[..., Ending]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, without the tester's own settings."""
    for name in list(os.environ):
        if name.startswith("EASEL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> ScriptedClient:
    """The client that commands get from app.open_client."""
    made = ScriptedClient()
    monkeypatch.setattr("easel.app.open_client", lambda settings: made)
    return made


@pytest.fixture
def easel(capsys: pytest.CaptureFixture[str]) -> Easel:
    """Run `easel ARGUMENTS...` in this process."""

    def run(*arguments: str) -> Ending:
        code = main(arguments)
        out, err = capsys.readouterr()
        return Ending(code, out, err)

    return run
