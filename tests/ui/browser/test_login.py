"""Coming in with a name and a password, in a real browser: wrongly, rightly, and each to their own pictures."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from playwright.sync_api import Page, expect

from easel.api.users import with_password
from easel.core.request import Request
from tests.ui.browser.browsers import heard
from tests.ui.serving import Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """A server that knows ann and bob."""
    known = [with_password("ann", "right horse"), with_password("bob", "battery staple")]
    with serving(tmp_path_factory.mktemp("named"), known) as made:
        yield made


def log_in(page: Page, name: str, password: str) -> None:
    """Fill the page that asks who comes."""
    page.locator("input[name=name]").fill(name)
    page.locator("input[name=password]").fill(password)
    page.locator("form button").click()


def test_wrongly_and_rightly(visit, served: Served, expected_errors: list[str]) -> None:
    expected_errors.append("401")
    page = visit("/en/", ready=False)
    page.wait_for_url("**/login*")
    log_in(page, "ann", "wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    log_in(page, "ann", "right horse")
    page.wait_for_url("**/en/")
    page.wait_for_function("() => window.easel?.opened?.create")
    page.locator("#create-prompt textarea").fill("a fox")
    page.get_by_label("Steps", exact=True).first.fill("2")
    heard(page, "a fox", "2")
    page.locator("#create-draw").click()
    expect(page.locator("#create-results .tile")).to_have_count(1, timeout=60_000)
    assert served.house.store.list(limit=1)[0].user == "ann"


def test_another_users_picture_is_not_shown(visit, served: Served, expected_errors: list[str]) -> None:
    expected_errors.append("404")
    job = served.house.store.submit(Request(prompt="a secret", steps=1, width=64, height=64), "ann")
    page = visit("/en/", ready=False)
    log_in(page, "bob", "battery staple")
    page.wait_for_url("**/en/")
    page.evaluate(
        "id => sessionStorage.setItem('easel.results.create', JSON.stringify([{id, state: 'queued', started: 1}]))",
        job.id,
    )
    page.reload()
    page.wait_for_function("() => window.easel?.opened?.create")
    page.wait_for_timeout(1500)
    assert page.locator("#create-results .tile").count() == 0
    assert "a secret" not in page.content()
