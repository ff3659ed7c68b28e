"""The queue in a browser: what runs is seen moving, what waits changes places, what was stopped is asked for again."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from easel.core.request import Request
from tests.ui.browser.conftest import Visit
from tests.ui.serving import Served

LONG = 1000  # steps that nobody waits for


def queue(page: Page) -> Locator:
    """Open the tab and return its lists."""
    page.get_by_role("tab", name="Queue", exact=True).click()
    lists = page.locator("#queue-list")
    expect(lists.locator(".summary")).not_to_be_empty()
    return lists


def test_an_empty_queue_says_what_to_do(visit: Visit) -> None:
    lists = queue(visit("/en/"))
    expect(lists.locator(".summary")).to_have_text("Nothing runs and nothing waits.")
    expect(lists.locator(".empty")).to_contain_text("Write a prompt on Create")


def test_a_job_is_followed_cancelled_and_asked_for_again(visit: Visit, served: Served) -> None:
    store = served.house.store
    page = visit("/en/")
    lists = queue(page)
    job = store.submit(Request(prompt="a red fox <b>", steps=LONG, width=64, height=64))
    now, past = lists.locator("ul").first, lists.locator("ul").last
    page.reload()
    lists = queue(page)
    row = now.locator("li", has_text="a red fox <b>")
    expect(row.locator("progress")).to_have_attribute("max", str(LONG), timeout=60_000)  # the model loads first
    expect(row.locator(".progress")).to_contain_text("it/s")
    row.get_by_role("button", name="Cancel").click()
    gone = past.locator("li", has_text="a red fox <b>")
    expect(gone.locator(".state")).to_have_text("Cancelled")
    assert store.get(job.id).state == "cancelled"
    gone.get_by_role("button", name="Again").click()
    expect(now.locator("li", has_text="a red fox <b>")).to_be_visible()
    store.cancel(job.id)
    expect(now.locator("li")).to_have_count(0)
    expect(past.locator("li", has_text="a red fox <b>")).to_have_count(1)


def test_what_waits_changes_places(visit: Visit, served: Served) -> None:
    store = served.house.store
    jobs = [store.submit(Request(prompt=f"job {number}.", steps=LONG, width=64, height=64)) for number in range(20)]
    page = visit("/en/")
    lists = queue(page)
    waiting = lists.locator("li.queued .prompt")
    expect(waiting).to_have_count(4)
    expect(waiting.last).to_have_text("job 19.")
    lists.locator("li.queued").last.get_by_role("button", name="First").click()
    expect(waiting.first).to_have_text("job 19.")
    first = lists.locator("li.queued").first
    expect(first.get_by_role("button", name="Earlier")).to_be_disabled()
    first.get_by_role("button", name="Later").click()
    expect(waiting.nth(1)).to_have_text("job 19.")
    for job in jobs:
        store.cancel(job.id)
    expect(lists.locator(".summary")).to_have_text("Nothing runs and nothing waits.", timeout=20_000)


def test_history_is_searched_and_settings_are_used_again(visit: Visit, served: Served) -> None:
    store = served.house.store
    job = store.submit(Request(prompt="a tall giraffe", steps=LONG, width=64, height=96))
    store.cancel(job.id)
    page = visit("/en/")
    lists = queue(page)
    lists.get_by_label("Search").fill("giraffe")
    found = lists.locator("ul").last.locator("li")
    expect(found).to_have_count(1)
    lists.get_by_label("Show").select_option("done")
    expect(lists.locator(".empty")).to_contain_text("Nothing fits")
    lists.get_by_label("Show").select_option("cancelled")
    expect(found).to_have_count(1)
    found.get_by_role("button", name="Use settings").click()
    expect(page.locator("#create-prompt textarea")).to_have_value("a tall giraffe")
