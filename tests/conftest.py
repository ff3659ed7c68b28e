"""What holds for every test: no network, nobody's own settings, and no deadline on a busy machine."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest

from easel.core.settings import Settings

hypothesis.settings.register_profile("easel", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("easel")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny tensors: threads that wait for each other cost more than they give
os.environ["HF_HUB_OFFLINE"] = "1"  # read when the hub's library is imported


@pytest.fixture(autouse=True, scope="session")
def nobodys_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the settings file, the EASEL_ variables and the terminal's size of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        for name in ("settings", *Settings.model_fields):
            patch.delenv(f"EASEL_{name.upper()}", raising=False)
        for name in ("COLUMNS", "LINES"):
            patch.delenv(name, raising=False)
            os.unsetenv(name)  # where Python does not see it: pytest loads readline, which tells it what it starts
        yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say before the closing line that a check failed, since that stands far above by then."""
    if "EASEL_CHECKS_FAILED" in os.environ:
        terminalreporter.section("checks", red=True)
        terminalreporter.line("a check failed: see above the tests, or run scripts/check")
