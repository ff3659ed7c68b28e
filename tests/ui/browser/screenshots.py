"""Takes pictures of every tab with a few drawings in it; scripts/screenshots runs it. Not a test."""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from easel.core.request import Request
from easel.jobs.following import wait_for
from easel.ui.page import TABS
from easel.ui.words import LANGUAGES, Words, words_of
from tests.ui.browser.browsers import CHROMIUM, SWITCHES, turn
from tests.ui.serving import Served, serving

HOME = Path(__file__).parents[3] / "docs" / "page"
DRAWN = (
    "a fox, blue background",
    "a rocket on a black background",
    "분홍 배경의 유니콘",
    "a castle, watercolor",
    "사과",
)
DESK, PHONE = (1280, 860), (390, 844)
REMEMBER = "jobs => sessionStorage.setItem('easel.results.create', JSON.stringify(jobs))"


def draw(served: Served) -> list[str]:
    """Draw a few pictures and return the ids of their jobs."""
    asked = [Request(prompt=prompt, seed=7, batch_size=2) for prompt in DRAWN]
    ids = [served.house.store.submit(request).id for request in asked]
    for id in ids:
        wait_for(served.house.store, served.house.feed, id)
    return ids


def taken(
    browser: Browser, served: Served, ids: list[str], language: str, size: tuple[int, int], dark: bool, folder: Path
) -> None:
    """Take every tab in one language, at one size, light or dark."""
    say = words_of(language)
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        locale={"en": "en-US", "ko": "ko-KR"}[language],
        color_scheme="dark" if dark else "light",
    )
    page = context.new_page()
    page.goto(f"{served.url}/{language}/")
    page.evaluate(REMEMBER, [{"id": id, "state": "queued", "started": 1} for id in ids])
    page.reload()
    page.locator("#create-results .tile").first.wait_for()
    page.locator("#create-prompt textarea").fill(DRAWN[2 if language == "ko" else 0])
    for tab in TABS:
        turn(page, say(f"tab.{tab.name}"))
        page.wait_for_timeout(1500)
        width = "phone" if size == PHONE else "desk"
        name = f"{tab.name}-{language}-{width}{'-dark' if dark else ''}.webp"
        with Image.open(io.BytesIO(page.screenshot())) as image:
            image.save(folder / name, "WEBP", quality=72, method=6)
        print(folder / name)
    if size == DESK:
        turn(page, say("tab.create"))
        name = f"parts-{language}-desk{'-dark' if dark else ''}.webp"
        with Image.open(io.BytesIO(parts(page, say))) as image:
            image.save(folder / name, "WEBP", quality=72, method=6)
        print(folder / name)
    context.close()


def parts(page: Page, say: Words) -> bytes:
    """Add a control from the picture in view, show its hint, add a detail, and return a picture of that."""
    for group in ("control", "detail"):
        place = page.locator(f'#create-parts [data-group="{group}"]')
        place.locator("> summary").click()
        place.locator(".add").click()
    unit = page.locator('#create-parts [data-part="controls"]')
    unit.get_by_role("button", name=say("parts.in_view"), exact=True).first.click()
    unit.locator(".shot img").wait_for()
    unit.locator("button.hint").click()
    unit.locator(".look img").wait_for()
    page.locator('#create-parts [data-part="details"]').get_by_label(say("parts.field.find")).fill("face")
    page.locator("#create-parts").evaluate("one => one.scrollIntoView({ block: 'start' })")
    page.wait_for_timeout(500)
    return page.screenshot()


def main() -> None:
    """Take what docs/page/ shows, or, with --all FOLDER, everything."""
    everything = sys.argv[1:2] == ["--all"]
    folder = Path(sys.argv[2]) if everything else HOME
    folder.mkdir(parents=True, exist_ok=True)
    few = [("en", DESK, False), ("ko", PHONE, True)]
    every = [(language, size, dark) for language in LANGUAGES for size in (DESK, PHONE) for dark in (False, True)]
    with serving(Path(tempfile.mkdtemp())) as served, sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
        ids = draw(served)
        for language, size, dark in every if everything else few:
            taken(browser, served, ids, language, size, dark, folder)
        browser.close()


if __name__ == "__main__":
    main()
