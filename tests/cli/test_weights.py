"""How weights are kept, on the command line: it reaches whoever opens the engine, or is refused in one line."""

from __future__ import annotations

from typing import get_args

import pytest

from easel.core.settings import Settings, Weights, read_settings
from tests.cli.conftest import Easel
from tests.cli.scripted import ScriptedClient


def test_it_holds_for_the_command(easel: Easel, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Settings] = []

    def opened(settings: Settings) -> ScriptedClient:
        seen.append(settings)
        return ScriptedClient()

    monkeypatch.setattr("easel.app.open_client", opened)
    assert easel("txt2img", "a fox", "--weights", "Float8_E4M3").code == 0
    assert easel("txt2img", "a fox").code == 0
    assert [settings.weights for settings in seen] == ["float8_e4m3", "packed"]
    assert read_settings().weights == "packed"


def test_others_are_refused(easel: Easel, client: ScriptedClient) -> None:
    ending = easel("txt2img", "a fox", "--weights", "fp8")
    assert ending.code == 2 and ending.err.startswith("error: --weights 'fp8' is not known")
    assert client.requests == []


def test_help_names_them_all(easel: Easel) -> None:
    shown = " ".join(easel("txt2img", "--help").out.split())
    assert all(name in shown for name in get_args(Weights))
