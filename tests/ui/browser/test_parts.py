"""Control, details and finishing as a person adds them: pictures dropped or drawn, a hint, what comes of it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect

from easel.core.detail import Detail
from easel.core.finishing import Background, Enlarge
from easel.core.request import Request
from easel.ui.words import words_of
from tests.ui.browser.browsers import turn
from tests.ui.serving import Served

SAY = words_of("en")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A disc on a plain ground."""
    image = Image.new("RGB", (64, 64), (60, 120, 220))
    ImageDraw.Draw(image).ellipse((16, 16, 48, 48), fill=(240, 120, 20))
    image.save(tmp_path / "disc.png")
    return tmp_path / "disc.png"


def add(page: Page, group: str, part: str, tab: str = "create") -> Any:
    """Open a group and return a fresh row of a part."""
    place = page.locator(f'#{tab}-parts [data-group="{group}"]')
    if place.get_attribute("open") is None:
        place.locator("> summary").click()
    place.get_by_role("button", name=f"+ {SAY(f'parts.adding.{part}')}", exact=True).click()
    return place.locator(f'.unit[data-part="{part}"]').last


def asked(page: Page, served: Served, tab: str = "create", prompt: str = "a fox") -> Request:
    """Press the button and return what was asked for, when it is drawn."""
    before = {job.id for job in served.house.store.list()}
    if prompt:
        page.locator(f"#{tab}-prompt textarea").fill(prompt)
        page.locator(f"#{tab}-prompt textarea").blur()
    page.wait_for_timeout(200)
    page.locator(f"#{tab}-{'do' if tab == 'enlarge' else 'draw'}").click()
    expect(page.locator(f"#{tab}-results .tile")).to_have_count(1, timeout=60_000)
    (job,) = [job for job in served.house.store.list() if job.id not in before]
    assert job.state == "done", job.error
    return job.request


def few_steps(page: Page) -> None:
    """Have pictures drawn in two steps."""
    page.locator("[role=tabpanel]").get_by_label("Steps", exact=True).locator("visible=true").first.fill("2")


def test_a_control_shows_its_hint_and_leads(visit: Any, served: Served, picture: Path) -> None:
    page = visit()
    few_steps(page)
    unit = add(page, "control", "controls")
    unit.locator("input[type=file]").first.set_input_files(picture)
    expect(unit.locator(".shot img")).to_be_visible()
    unit.get_by_label("low", exact=True).fill("30")
    unit.get_by_label("low", exact=True).blur()
    unit.locator("button.hint").click()
    hint = unit.locator(".look img")
    expect(hint).to_be_visible()
    assert hint.evaluate("one => [one.naturalWidth, one.naturalHeight]") == [64, 64]
    (control,) = asked(page, served).controls
    assert (control.image, control.preprocessor) == (picture.read_bytes(), "canny")
    assert control.options == {"low": 30}
    assert control.model == "starter-edges"


def test_a_control_is_drawn_by_hand_and_there_again_after_a_reload(visit: Any) -> None:
    page = visit(language="ko-KR", path="/ko/")
    place = page.locator('#create-parts [data-group="control"]')
    place.locator("> summary").click()
    place.locator(".add").click()
    place.get_by_role("button", name=words_of("ko")("parts.draw"), exact=True).first.click()
    box = page.locator(".pad .paper").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 120, steps=4)
    page.mouse.up()
    page.locator(".pad .strong").click()
    expect(place.locator(".shot img")).to_be_visible()
    kept = "async () => !!(await easel.shelf.take('create.parts'))?.rows?.controls?.[0]?.image"
    for _ in range(100):  # wait_for_function takes a promise for a yes
        if page.evaluate(kept):
            break
        page.wait_for_timeout(100)
    page.reload()
    expect(place.locator(".shot img")).to_be_visible()
    ink = """async (image) => {
        const paper = Object.assign(document.createElement('canvas'), { width: 512, height: 512 });
        const pen = paper.getContext('2d');
        pen.drawImage(image, 0, 0);
        return pen.getImageData(0, 0, 512, 512).data.filter((level, at) => at % 4 === 0 && level < 128).length;
    }"""
    assert place.locator(".shot img").evaluate(ink) > 500


def test_words_are_found_and_painted_anew_and_the_ground_is_cut_out(visit: Any, served: Served) -> None:
    page = visit()
    few_steps(page)
    unit = add(page, "detail", "details")
    unit.get_by_label(SAY("parts.field.find")).fill("face")
    add(page, "after", "enlarge")
    add(page, "after", "background")
    faces = add(page, "after", "faces")
    faces.locator(".head input").uncheck()  # it stays there and does not count
    request = asked(page, served)
    assert request.faces == ()
    assert request.details == (Detail(find="face"),)
    assert (request.enlarge, request.background) == (Enlarge(), Background())


def test_pictures_are_enlarged_plainly(visit: Any, served: Served, picture: Path) -> None:
    page = visit()
    turn(page, SAY("tab.enlarge"))
    page.locator("#enlarge-pictures input[type=file]").set_input_files(picture)
    page.get_by_label(SAY("enlarge.how_plain"), exact=True).check()
    scale = page.locator("#enlarge-parts").get_by_label(SAY("parts.field.scale"), exact=True).last
    scale.fill("4")
    scale.blur()
    request = asked(page, served, "enlarge", "")
    assert (request.recipe, request.enlarge) == ("process", Enlarge(scale=4))
    job = served.house.store.list(limit=1)[0]
    with Image.open(io.BytesIO(served.house.file_of(job.pictures[0]).read_bytes())) as image:
        assert image.size == (256, 256)


def test_a_picture_is_sent_to_control(visit: Any, served: Served) -> None:
    page = visit()
    few_steps(page)
    page.locator("#create-prompt textarea").fill("a fox")
    page.locator("#create-draw").click()
    expect(page.locator("#create-results .tile")).to_have_count(1, timeout=60_000)
    page.locator("#create-results .acts").get_by_role("button", name=SAY("tab.control"), exact=True).click()
    expect(page.locator('#create-parts [data-part="controls"] .shot img')).to_be_visible()
    held = page.evaluate("async () => (await easel.partsValue('create')).controls[0].image.slice(0, 22)")
    assert held == "data:image/png;base64,"
