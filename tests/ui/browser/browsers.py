"""Which chromium is used and how it is started (it asks the network for nothing of its own); turning, typing."""

from __future__ import annotations

import shutil

from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium")
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def turn(page: Page, name: str) -> None:
    """Turn to a tab by its name, also where a narrow window keeps it in the menu behind the others."""
    shown = page.get_by_role("tab", name=name, exact=True)
    if not shown.is_visible():
        page.locator("#tabs .overflow-menu > button").click()
        shown = page.locator("#tabs .overflow-dropdown").get_by_role("button", name=name, exact=True)
    shown.click()


def heard(page: Page, *values: str) -> None:
    """Wait until what was typed in the tab "create" has reached its form, which the window keeps as it changes."""
    page.wait_for_function(
        """values => {
            const said = Object.values(JSON.parse(sessionStorage.getItem("easel.form.create") ?? "{}")).map(String);
            return values.every((value) => said.includes(value));
        }""",
        arg=list(values),
    )
