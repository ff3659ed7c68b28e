"""The gallery in a browser: pictures come as one scrolls, keys move and choose, one opens large, a zip is taken."""

from __future__ import annotations

import zipfile
from collections.abc import Generator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from easel.core.request import Request
from tests.ui.browser.conftest import Visit
from tests.ui.houses import ended, house_in
from tests.ui.serving import Served, serving

JOBS, EACH = 150, 4


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """A server with many pictures, all of them of today."""
    folder: Path = tmp_path_factory.mktemp("many")
    with house_in(folder) as house:
        for number in range(JOBS):
            width, height = ((64, 64), (96, 64), (64, 96))[number % 3]
            request = Request(prompt=f"subject{number}", seed=number, batch_size=EACH, width=width, height=height)
            ended(house.store, house.album, request)
    with serving(folder) as made:
        yield made


def gallery(page: Page, name: str = "Gallery") -> Locator:
    """Open the tab and return its list, its first pictures there."""
    page.get_by_role("tab", name=name, exact=True).click()
    grid = page.locator("#gallery-list")
    grid.locator("li").first.wait_for()
    return grid


def test_pictures_come_as_one_scrolls_and_not_before(visit: Visit) -> None:
    page = visit("/en/")
    grid = gallery(page)
    looks = grid.locator("li")
    few = looks.count()
    assert few < JOBS * EACH / 2
    assert looks.first.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    for _ in range(60):
        page.mouse.wheel(0, 20_000)
        page.wait_for_timeout(100)
        if looks.count() == JOBS * EACH:
            break
    assert looks.count() == JOBS * EACH
    loaded = grid.locator("img").evaluate_all("all => all.filter((one) => one.complete && one.naturalWidth).length")
    assert loaded <= JOBS * EACH


def test_a_search_finds_and_says_where_nothing_is(visit: Visit) -> None:
    page = visit("/en/")
    grid = gallery(page)
    grid.get_by_label("Search").fill("subject14")
    expect(grid.locator("li")).to_have_count(EACH * 11)  # 14 and 140 to 149
    grid.get_by_label("Search").fill("elephant")
    expect(grid.locator(".empty")).to_contain_text("No picture fits")
    expect(grid.locator("li")).to_have_count(0)


def test_keys_move_choose_and_like(visit: Visit, tmp_path: Path) -> None:
    page = visit("/en/")
    grid = gallery(page)
    first = grid.locator("a.look").first
    first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.keyboard.press("f")
    third = grid.locator("li").nth(2)
    expect(third.locator(".star")).to_have_attribute("aria-pressed", "true")
    expect(third.locator("a")).to_be_focused()
    expect(grid.locator(".tray .count")).to_have_text("2 selected")
    page.keyboard.press("ArrowDown")
    below = page.evaluate("document.activeElement.getBoundingClientRect().top")
    assert below > third.bounding_box()["y"]  # type: ignore[index]
    with page.expect_download() as coming:
        grid.get_by_text("Download zip").click()
    coming.value.save_as(tmp_path / "some.zip")
    with zipfile.ZipFile(tmp_path / "some.zip") as archive:
        assert len(archive.namelist()) == 2
        assert archive.testzip() is None
    grid.get_by_role("button", name="★ Favourites").click()
    expect(grid.locator("li")).to_have_count(1)


def test_a_picture_opens_large_and_turns(visit: Visit) -> None:
    page = visit("/en/")
    grid = gallery(page)
    grid.locator("a.look").nth(1).click()
    large = grid.get_by_role("dialog")
    expect(large.locator("pre")).to_contain_text("Seed: ")
    said = large.locator("pre").inner_text()
    page.keyboard.press("ArrowRight")
    expect(large.locator("pre")).not_to_have_text(said)
    page.keyboard.press("ArrowLeft")
    expect(large.locator("pre")).to_have_text(said)
    page.keyboard.press("Escape")
    expect(large).to_be_hidden()
    expect(grid.locator("a.look").nth(1)).to_be_focused()


def test_settings_of_a_picture_go_to_another_tab(visit: Visit) -> None:
    page = visit("/en/")
    grid = gallery(page)
    grid.locator("a.look").first.click()
    grid.get_by_role("dialog").get_by_role("button", name="Create").click()
    expect(page.locator("#create-prompt textarea")).to_have_value(f"subject{JOBS - 1}")
    expect(page.locator("#tab-create")).to_be_visible()


def test_a_phone_shows_it_whole_in_korean(visit: Visit) -> None:
    page = visit("/ko/", language="ko-KR", width=390, height=844, dark=True)
    page.locator("#tabs .overflow-menu > button").first.click()
    page.locator(".overflow-dropdown button", has_text="갤러리").click()
    grid = page.locator("#gallery-list")
    grid.locator("li").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("html").get_attribute("lang") == "ko"
