"""What a person does in the tab "info": drops a picture, reads it, sends it on, has it drawn again and compared."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from easel.core.request import Request
from easel.jobs.following import wait_for
from easel.media.metadata import encode
from easel.ui.words import words_of
from tests.tiny import starter_side
from tests.ui.serving import Served

SAY = words_of("en")


@pytest.fixture(scope="module")
def drawn(served: Served) -> Path:
    """A picture that the house drew, as it stands on its disk."""
    house = served.house
    request = Request(prompt="a red fox", negative_prompt="blurry", steps=4, seed=7, alone=True)
    job = wait_for(house.store, house.feed, house.store.submit(request).id, 60)
    return house.file_of(job.pictures[0])


def dropped(page: Page, file: Path) -> Page:
    """Open the tab and drop a file."""
    page.get_by_role("tab", name=SAY("tab.info"), exact=True).click()
    page.locator("#info-picture input[type=file]").set_input_files(file)
    return page


def test_a_picture_tells_its_words_and_settings(visit, drawn: Path) -> None:
    page = dropped(visit("/en/"), drawn)
    says = page.locator(".info-says")
    for text in (SAY("info.source_easel"), "a red fox", "blurry", "Seed", "starter"):
        expect(says).to_contain_text(text)
    expect(page.locator("#info-replay-do")).to_be_visible()


def test_drawn_again_it_is_the_same_bit_for_bit(visit, drawn: Path) -> None:
    page = dropped(visit("/en/"), drawn)
    page.locator("#info-replay-do").click()
    expect(page.locator(".info-verdict")).to_have_attribute("data-state", "equal", timeout=60_000)
    expect(page.locator("#info-compared .two img")).to_have_count(2)


def test_its_settings_go_to_create(visit, drawn: Path) -> None:
    page = dropped(visit("/en/"), drawn)
    page.locator(".info-send").get_by_role("button", name=SAY("tab.create"), exact=True).click()
    expect(page.locator("#create-prompt textarea")).to_have_value("a red fox")


def test_the_picture_goes_to_enlarge(visit, drawn: Path) -> None:
    page = dropped(visit("/en/"), drawn)
    page.locator(".info-send").get_by_role("button", name=SAY("tab.enlarge"), exact=True).click()
    twice = 2 * starter_side()
    expect(page.locator(".enlarge-size p")).to_have_text(SAY("enlarge.becomes", size=f"{twice} × {twice}"))


def test_a_silent_picture_and_what_is_none(visit, tmp_path: Path) -> None:
    silent, broken = tmp_path / "silent.png", tmp_path / "broken.png"
    silent.write_bytes(encode(Image.new("RGB", (16, 8)), ""))
    broken.write_bytes(b"no picture")
    page = dropped(visit("/en/"), silent)
    expect(page.locator(".info-trouble")).to_have_text(SAY("info.silent"))
    expect(page.locator("#info-replay-do")).to_be_hidden()
    page = dropped(visit("/en/"), broken)
    expect(page.locator(".info-trouble")).to_contain_text("picture is 'not such a picture'")
