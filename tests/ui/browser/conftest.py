"""A server with the page for each file of tests, and chromium to look at it; skipped where there is no chromium.

Every test gets a fresh window (`visit`); it fails where the page wrote an error to the console or a script failed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.ui.serving import Served, serving

playwright_api = pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Browser, Page, expect, sync_playwright  # noqa: E402

from tests.ui.browser.browsers import CHROMIUM, SWITCHES  # noqa: E402

PATIENCE = 20_000  # milliseconds to wait for what must come
expect.set_options(timeout=PATIENCE)

Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    """A chromium for one file of tests: while playwright is open, no test may run an event loop of its own."""
    if CHROMIUM is None:
        pytest.skip("chromium is not here")
    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(SWITCHES))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """A server with the starter for one file of tests."""
    folder: Path = tmp_path_factory.mktemp("served")
    with serving(folder) as made:
        yield made


@pytest.fixture
def expected_errors() -> list[str]:
    """Parts of what the browser may write to its console as an error; a test that provokes one adds to it."""
    return []


@pytest.fixture
def visit(browser: Browser, served: Served, expected_errors: list[str]) -> Generator[Visit]:
    """A function that opens the page in a window of its own.

    path: below the server's address. language: what the browser asks for. width, height: of the window in pixels.
    """
    contexts = []
    errors: list[str] = []

    def opened(
        path: str = "/en/",
        *,
        language: str = "en-US",
        width: int = 1280,
        height: int = 800,
        dark: bool = False,
        ready: bool = True,
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            locale=language,
            color_scheme="dark" if dark else "light",
            accept_downloads=True,
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(f"{said.text} {said.location}") if said.type == "error" else None)
        page.goto(served.url + path)
        if ready:
            page.locator("#tabs").wait_for()
            page.wait_for_function("() => window.easel?.opened?.create")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [one for one in errors if not any(part in one for part in expected_errors)] == []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let Gradio's own statistics set an option of pandas that pandas says will go."""
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting'"))
