"""What a person does in the tab "enlarge": drops a picture, presses the button, looks at before and after."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from easel.media.metadata import encode
from easel.ui.words import words_of
from tests.ui.serving import Served

SAY = words_of("en")
INFOTEXT = "a red fox\nSteps: 4, Sampler: Euler, CFG scale: 2.5, Seed: 7, Size: 64x64, Model: starter, Version: Easel 0"


def picture(folder: Path, name: str = "fox.png") -> Path:
    """Write a picture that says how it was made."""
    file = folder / name
    file.write_bytes(encode(Image.new("RGB", (64, 64), (200, 90, 20)), INFOTEXT))
    return file


def test_a_picture_is_enlarged_with_its_own_words(visit, served: Served, tmp_path: Path) -> None:
    page = visit("/en/")
    page.get_by_role("tab", name=SAY("tab.enlarge"), exact=True).click()
    page.locator("#enlarge-pictures input[type=file]").set_input_files(picture(tmp_path))
    expect(page.locator(".enlarge-size p")).to_have_text(SAY("enlarge.becomes", size="128 × 128"))
    page.locator("#enlarge-do").click()
    expect(page.locator("#enlarge-results .tile")).to_have_count(1, timeout=60_000)
    (job,) = served.house.store.list(states=["done"], limit=10)
    request = job.request
    assert (request.recipe, request.prompt, request.steps, request.seed) == ("tiled_upscale", "a red fox", 4, 7)
    assert (job.pictures[0].width, job.pictures[0].height) == (128, 128)
    over = page.locator("#enlarge-before-after .two img")
    expect(over).to_have_count(2)
    for side in over.all():
        expect(side).to_have_js_property("complete", True)
        assert side.evaluate("one => one.naturalWidth") == 128


def test_without_a_picture_it_says_so(visit, served: Served) -> None:
    page = visit("/en/")
    page.get_by_role("tab", name=SAY("tab.enlarge"), exact=True).click()
    before = sum(served.house.store.counts().values())
    page.locator("#enlarge-do").click()
    expect(page.get_by_text("Pictures is 0, allowed is 1 to 100.")).to_be_visible()
    assert sum(served.house.store.counts().values()) == before


def test_in_one_piece_needs_no_tiles(visit) -> None:
    page = visit("/en/")
    page.get_by_role("tab", name=SAY("tab.enlarge"), exact=True).click()
    overlap = page.locator("#tab-enlarge, [role=tabpanel]").get_by_text(SAY("enlarge.overlap"), exact=True)
    expect(overlap.first).to_be_visible()
    page.get_by_label(SAY("enlarge.how_whole"), exact=True).check()
    expect(overlap.first).to_be_hidden()
