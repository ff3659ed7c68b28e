"""A browser is opened only where somebody can see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from easel.cli.screen import has_screen, show_page


@pytest.mark.parametrize(
    ("variables", "system", "seen"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"DISPLAY": ":10", "SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, "linux", False),
        ({}, "darwin", True),
        ({"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, "darwin", False),
        ({}, "win32", True),
    ],
)
def test_where_there_is_a_screen(variables: dict[str, str], system: str, seen: bool) -> None:
    assert has_screen(variables, system) is seen


@pytest.mark.parametrize("display", ["", ":0"])
def test_a_browser_is_called_with_the_address(display: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, called = tmp_path / "browser", tmp_path / "called"
    browser.write_text(f'#!/bin/sh\necho "$1" > {called}\n')
    browser.chmod(0o755)
    for name in ("SSH_CONNECTION", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("webbrowser._tryorder", None)  # asks for BROWSER again
    monkeypatch.setattr("webbrowser._browsers", {})
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    show_page("http://127.0.0.1:7860")
    assert called.exists() is bool(display)
    if display:
        assert called.read_text() == "http://127.0.0.1:7860\n"
