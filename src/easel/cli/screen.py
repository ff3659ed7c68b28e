"""Whether somebody sits at this machine, and opening a page for them. Knows no server."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Mapping
from contextlib import suppress


def has_screen(variables: Mapping[str, str], system: str) -> bool:
    """Return whether a browser can show itself here: not over ssh, and on Linux only on a desktop.

    variables: of the environment. system: as sys.platform has it.
    """
    if variables.get("SSH_CONNECTION"):
        return False
    return system in ("darwin", "win32") or bool(variables.get("DISPLAY") or variables.get("WAYLAND_DISPLAY"))


def show_page(url: str) -> None:
    """Open a page in the browser of who sits here; without effect where there is none."""
    if has_screen(os.environ, sys.platform):
        with suppress(webbrowser.Error, OSError):
            webbrowser.open(url)
