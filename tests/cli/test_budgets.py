"""Bounds of memory on the command line: they reach whoever opens the engine, or are refused in one line."""

from __future__ import annotations

import json

import pytest

from easel.core.amounts import ALLOWED
from easel.core.settings import Settings, read_settings
from tests.cli.conftest import Easel
from tests.cli.scripted import ScriptedClient


@pytest.mark.parametrize("command", [("txt2img", "a fox"), ("grid", "a fox", "--x", "Seed=1,2")])
def test_they_hold_for_the_command(easel: Easel, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    seen: list[Settings] = []

    def opened(settings: Settings) -> ScriptedClient:
        seen.append(settings)
        return ScriptedClient()

    monkeypatch.setattr("easel.app.open_client", opened)
    monkeypatch.setenv("EASEL_RAM", "4GB")
    assert easel(*command, "--vram", "8GB", "--ram", "50%").code == 0
    assert easel(*command, "--vram", "75%").code == 0
    assert [(settings.vram, settings.ram) for settings in seen] == [("8GB", "50%"), ("75%", "4GB")]
    assert (read_settings().vram, read_settings().ram) == ("auto", "4GB")


@pytest.mark.parametrize("flag", ["--vram", "--ram"])
def test_wrong_ones_are_refused(easel: Easel, client: ScriptedClient, flag: str) -> None:
    ending = easel("txt2img", "a fox", flag, "lots")
    assert ending.code == 2
    assert ending.err == f"error: {flag} is 'lots', allowed is {ALLOWED}.\n"
    assert client.requests == []


def test_the_doctor_tells_them(easel: Easel, monkeypatch: pytest.MonkeyPatch) -> None:
    def budget() -> dict[str, str]:
        found = json.loads(easel("doctor", "--json").out)["findings"]
        return next(finding for finding in found if finding["name"] == "budget")

    monkeypatch.setenv("EASEL_DEVICE", "cpu")
    monkeypatch.setenv("EASEL_RAM", "1GB")
    assert (budget()["status"], budget()["found"]) == ("ok", "1.0 GB for loaded models (ram = 1GB)")
    monkeypatch.setenv("EASEL_VRAM", "8GB")
    assert budget()["status"] == "fix"
    assert "vram is '8GB'" in budget()["found"]
