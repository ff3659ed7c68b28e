"""Settings and help in a browser: found by words, kept on the server, refused in a line; new forms begin with them."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from easel.core.caller import Caller
from easel.ui.preferences import keep, usual, wanted
from tests.ui.browser.conftest import Visit
from tests.ui.serving import Served

NOBODY = Caller()


def opened(page: Page, tab: str) -> None:
    page.get_by_role("tab", name=tab, exact=True).click()


def test_settings_are_kept_and_new_forms_begin_with_them(visit: Visit, served: Served) -> None:
    page = visit("/en/")
    opened(page, "Settings")
    form = page.locator("#settings-form")
    form.get_by_label("Steps", exact=True).fill("7")
    page.locator("#settings-negative textarea").fill("blurry")
    page.locator("#settings-save").click()
    expect(page.locator("#settings-said")).to_contain_text("Saved: 2 differ")
    assert wanted(served.house, NOBODY) == {"steps": 7, "negative_prompt": "blurry"}
    fresh = visit("/en/")
    expect(fresh.locator("#create-negative textarea")).to_have_value("blurry")
    expect(fresh.locator("#tab-create").get_by_label("Steps", exact=True).first).to_have_value("7")
    opened(fresh, "Settings")
    expect(fresh.locator("#settings-form").get_by_label("Steps", exact=True)).to_have_value("7")
    fresh.locator("#settings-clear").click()
    expect(fresh.locator("#settings-said")).to_contain_text("all is as usual")
    assert wanted(served.house, NOBODY) == {}


def test_what_cannot_be_is_told_and_nothing_is_kept(visit: Visit, served: Served) -> None:
    keep(served.house, NOBODY, usual())
    page = visit("/en/")
    opened(page, "Settings")
    page.locator("#settings-form").get_by_label("Width", exact=True).fill("70")
    page.locator("#settings-save").click()
    expect(page.get_by_text("nearest are 64 and 72")).to_be_visible()
    assert wanted(served.house, NOBODY) == {}


def test_settings_are_found_by_words(visit: Visit) -> None:
    page = visit("/en/")
    opened(page, "Settings")
    form = page.locator("#settings-form")
    page.locator("#settings-search").fill("clip")
    expect(form.get_by_label("Width", exact=True)).to_be_hidden()
    expect(form.get_by_text("Clip skip").first).to_be_visible()
    page.locator("#settings-search").fill("elephant")
    expect(page.locator("#settings-head .empty")).to_be_visible()


def test_the_help_is_searched_in_both_languages(visit: Visit) -> None:
    for path, tab, word, found in (("/en/", "Help", "2M karras", "DPM++ 2M"), ("/ko/", "도움말", "흐릿", "흐릿하거나")):
        page = visit(path)
        opened(page, tab)
        page.locator("#help-search").fill(word)
        shown = page.locator("#help-text dl > div:visible")
        expect(shown.filter(has_text=found).first).to_be_visible()
        assert shown.count() < 6
        page.locator("#help-search").fill("xyzzy")
        expect(page.locator("#help-text .empty")).to_be_visible()


def test_keys_change_weights_in_a_prompt(visit: Visit) -> None:
    page = visit("/en/")
    for text, start, end, keys, said in (
        ("a red fox", 2, 5, "U", "a (red:1.1) fox"),
        ("a red fox", 3, 3, "U", "a (red:1.1) fox"),
        ("a red fox", 2, 9, "DDD", "a (red fox:0.7)"),
        ("a red fox", 2, 5, "UUD", "a (red:1.1) fox"),
        ("a red fox", 2, 5, "UD", "a red fox"),
        ("a (red:1.25) fox", 4, 4, "U", "a (red:1.35) fox"),
    ):
        field = page.locator("#create-prompt textarea")
        field.fill(text)
        field.evaluate("(field, [start, end]) => field.setSelectionRange(start, end)", [start, end])
        for key in keys:
            field.press("Control+ArrowUp" if key == "U" else "Control+ArrowDown")
        expect(field).to_have_value(said)
