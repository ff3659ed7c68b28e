"""Every tab for everybody: axe finds no fault with labels, landmarks and contrast, light and dark, on a phone too.

scripts/axe fetches the program; without it these tests are skipped.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from easel.ui.page import TABS
from easel.ui.words import words_of
from tests.ui.browser.browsers import turn

AXE = Path(__file__).parents[3] / ".venv" / "axe" / "axe.min.js"
# Gradio's field for files has a name of its own that does not hold the words it shows.
RULES = """{
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'], rules: { 'label-content-name-mismatch': { enabled: false } },
}"""
FOUND = "r => r.violations.map(v => `${v.id}: ${v.help}; ${v.nodes.map(n => n.html.slice(0, 160)).join(' | ')}`)"

pytestmark = pytest.mark.skipif(not AXE.is_file(), reason="scripts/axe fetches axe-core")


@pytest.mark.parametrize(("language", "dark", "width"), [("en", False, 1280), ("ko", True, 1280), ("ko", False, 390)])
def test_axe_finds_nothing(visit, language: str, dark: bool, width: int) -> None:
    page, say = visit(f"/{language}/", dark=dark, width=width), words_of(language)
    page.add_script_tag(content=AXE.read_text(encoding="utf-8"))
    found: dict[str, list[str]] = {}
    for group in page.locator("#create-parts .group").all():  # what stands in rows is looked at too
        group.locator("> summary").click()
        for button in group.locator(".add").all():
            button.click()
        for further in group.locator(".further > summary").all():
            further.click()
    for tab in TABS:
        turn(page, say(f"tab.{tab.name}"))
        page.wait_for_timeout(400)
        faults = page.evaluate(f"async () => ({FOUND})(await axe.run(document, {RULES}))")
        if faults:
            found[tab.name] = faults
    assert found == {}


def test_the_page_has_its_landmarks(visit) -> None:
    page = visit()
    assert page.locator("main").count() == 1
    assert page.locator("header h1").count() == 1
    assert page.title() == "Easel"


def test_everything_of_the_form_is_reached_by_the_tab_key(visit) -> None:
    page = visit()
    page.locator("#create-prompt textarea").focus()
    reached = []
    for _ in range(4):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.closest('[id^=create]')?.id ?? ''"))
    assert "create-negative" in reached
    assert "create-draw" in reached
