"""The page as a whole in a real browser: it opens in the browser's language, and all its tabs turn."""

from __future__ import annotations

from easel.ui.page import TABS
from easel.ui.words import words_of


def test_opens_in_the_language_of_the_browser(visit) -> None:
    for asked, got in (("en-GB", "en"), ("ko-KR", "ko"), ("fr-FR", "en")):
        page = visit("/", language=asked)
        assert page.url.rstrip("/").endswith(f"/{got}")
        assert page.locator("html").get_attribute("lang") == got


def test_every_tab_turns(visit) -> None:
    page, say = visit("/en/"), words_of("en")
    for tab in TABS:
        page.get_by_role("tab", name=say(f"tab.{tab.name}"), exact=True).click()
        page.locator(f"#tab-{tab.name}").wait_for(state="attached")
