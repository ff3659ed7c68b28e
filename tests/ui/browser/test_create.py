"""What a person does in the tab "create", in a real browser: draw, watch, stop, choose, enlarge, come back."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect

from easel.core.motion import Motion
from easel.core.request import Request
from easel.media.metadata import encode
from easel.models.library.names import STARTER
from easel.prompt.infotext import write
from easel.ui.words import words_of
from tests.adapters.motion.making import tiny_net, write_published
from tests.ui.browser.browsers import heard, turn
from tests.ui.serving import Served

PANEL = "#create-results"
PROMPT = "#create-prompt textarea"


def ask(page: Page, prompt: str, **fields: str) -> None:
    """Fill the form in English and press the button."""
    page.locator(PROMPT).fill(prompt)
    for label, value in fields.items():
        field(page, label.replace("_", " ").capitalize()).fill(value)
    heard(page, prompt, *fields.values())
    page.locator("#create-draw").click()


def field(page: Page, label: str):
    """Return a field of the tab by its label."""
    return page.locator("#tab-create, [role=tabpanel]").get_by_label(label, exact=True).first


def drawn(page: Page, count: int) -> None:
    """Wait until so many pictures are shown."""
    expect(page.locator(f"{PANEL} .tile")).to_have_count(count, timeout=60_000)


def test_the_first_picture_is_two_clicks_away(visit, served: Served) -> None:
    page = visit("/")
    page.locator(f"{PANEL} .empty button").first.click()
    heard(page, words_of("en")("create.example_0"))
    page.locator("#create-draw").click()
    drawn(page, 1)
    job = served.house.store.list(limit=1)[0]
    assert job.state == "done"
    assert job.request.prompt == words_of("en")("create.example_0")
    shown = page.locator(f"{PANEL} .stage img").first
    expect(shown).to_be_visible()
    assert shown.evaluate("image => image.complete && image.naturalWidth") == job.pictures[0].width
    assert page.locator(f"{PANEL} .facts pre").text_content() == job.pictures[0].infotext


def test_every_field_that_is_set_is_asked_for(visit, served: Served) -> None:
    page = visit()
    ask(page, "a whale", Steps="4", Seed="7", Batch_size="2", Batch_count="2", Width="64", Height="96")
    drawn(page, 4)
    one, two = sorted(served.house.store.list(limit=2), key=lambda job: job.request.seed or 0)
    first = one.request
    assert (first.prompt, first.steps, first.width, first.height, first.seeds) == ("a whale", 4, 64, 96, (7, 8))
    assert two.request.seeds == (9, 10)


def test_a_running_picture_moves_is_found_again_and_stops(visit, served: Served) -> None:
    page = visit()
    ask(page, "a fox", Steps="900", Width="256", Height="256")
    expect(page.locator(f"{PANEL} .told")).to_contain_text("of 900", timeout=60_000)
    expect(page.locator(f"{PANEL} img.live")).to_be_visible(timeout=60_000)
    before = page.locator(f"{PANEL} img.live").get_attribute("src")
    page.wait_for_function(
        "before => document.querySelector('#create-results img.live').src !== before", arg=before, timeout=60_000
    )
    page.reload()
    expect(page.locator(f"{PANEL} .told")).to_contain_text("of 900", timeout=60_000)
    expect(page.locator(PROMPT)).to_have_value("a fox")
    page.locator(f"{PANEL} .stop").click()
    expect(page.locator(f"{PANEL} .running")).to_be_hidden()
    assert served.house.store.list(limit=1)[0].state == "cancelled"


def test_two_windows_do_not_disturb_each_other(visit, served: Served) -> None:
    one, two = visit(), visit()
    ask(one, "a fox", Steps="2", Seed="1")
    drawn(one, 1)
    assert two.locator(PROMPT).input_value() == ""
    assert two.locator(f"{PANEL} .tile").count() == 0


def test_the_chosen_are_enlarged_by_keys(visit, served: Served) -> None:
    page = visit()
    ask(page, "a fox", Steps="3", Seed="5", Batch_size="3", Width="64", Height="64")
    drawn(page, 3)
    tiles = page.locator(f"{PANEL} .tile")
    tiles.first.click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    assert [one.get_attribute("aria-selected") for one in tiles.all()] == ["false", "true", "true"]
    page.keyboard.press("e")
    drawn(page, 5)
    jobs = served.house.store.list(limit=2)
    assert sorted(job.request.seed or 0 for job in jobs) == [6, 7]
    assert all(job.request.hires and job.request.prompt == "a fox" for job in jobs)
    assert {(job.pictures[0].width, job.pictures[0].height) for job in jobs} == {(128, 128)}


def test_a_clip_is_shown_as_its_film_before_its_frames(visit, served: Served) -> None:
    unet = json.loads((STARTER / "unet" / "config.json").read_text())
    net = tiny_net(channels=tuple(unet["block_out_channels"]))
    write_published(served.house.settings.models / "motion" / "sway.safetensors", net)
    page = visit("/en/?prompt=a%20fox&motion.model=sway&frames=3&motion.format=mp4&steps=2&width=64&height=64&seed=5")
    expect(page.locator(PROMPT)).to_have_value("a fox")
    heard(page, "sway", "3", "5")
    page.locator("#create-draw").click()
    drawn(page, 4)
    request = served.house.store.list(limit=1)[0].request
    assert (request.batch_size, request.motion) == (3, Motion(model="sway", format="mp4"))
    expect(page.locator(f"{PANEL} .stage video")).to_be_visible()
    assert page.locator(f"{PANEL} .stage video").evaluate(
        """async (video) => {
            while (!video.duration) await new Promise((wait) => setTimeout(wait, 50));
            return [video.videoWidth, video.videoHeight];
        }"""
    ) == [64, 64]
    page.locator(f"{PANEL} .tile").nth(2).click()
    expect(page.locator(f"{PANEL} .stage video")).to_be_hidden()
    expect(page.locator(f"{PANEL} .stage a img")).to_be_visible()
    page.keyboard.press("a")
    expect(page.get_by_role("button", name="Enlarge chosen (3)")).to_be_visible()
    page.get_by_role("button", name="Start over").click()
    expect(page.locator(PROMPT)).to_have_value("")
    page.locator(f"{PANEL} .acts").get_by_role("button", name="Create").click()
    expect(page.locator(PROMPT)).to_have_value("a fox")
    heard(page, "sway", "3")
    page.reload()
    drawn(page, 4)
    turn(page, "Gallery")
    films = page.locator("#gallery-list li.film")
    expect(films).to_have_count(1)
    films.locator("a.look").click()
    large = page.locator("#gallery-list").get_by_role("dialog")
    expect(large.locator("video")).to_be_visible()
    large.locator("video").focus()
    page.keyboard.press("ArrowRight")  # its second frame
    expect(large.get_by_role("button", name="Film")).to_be_hidden()
    page.keyboard.press("ArrowLeft")  # keys work where the film had the focus
    expect(large.locator("video")).to_be_visible()
    large.get_by_role("button", name="Film").click()
    expect(large.locator("video")).to_be_hidden()
    expect(large.locator(".stage img")).to_be_visible()


def test_settings_come_back_from_a_picture(visit, tmp_path: Path) -> None:
    page = visit()
    fields = {"Steps": 11, "Sampler": "Euler a", "CFG scale": 3.5, "Seed": 42, "Size": "64x96"}
    file = tmp_path / "told.png"
    file.write_bytes(encode(Image.new("RGB", (64, 96)), write("a duck", "fog", fields)))
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name=words_of("en")("create.from_picture")).click()
    chooser.value.set_files(file)
    expect(page.locator(PROMPT)).to_have_value("a duck")
    assert page.locator("#create-negative textarea").input_value() == "fog"
    for label, value in {"Steps": "11", "Seed": "42", "Width": "64", "Height": "96", "CFG scale": "3.5"}.items():
        assert field(page, label).input_value() == value
    assert field(page, "Sampler").input_value() == "Euler a"


def test_settings_come_from_the_address_and_stay_in_the_other_language(visit) -> None:
    page = visit("/en/?prompt=a%20cow&steps=9&hires.on=true&seed=3")
    expect(page.locator(PROMPT)).to_have_value("a cow")
    assert field(page, "Steps").input_value() == "9"
    heard(page, "a cow", "9", "3")
    page.get_by_role("button", name="한국어").click()
    page.wait_for_url("**/ko/")
    expect(page.locator(PROMPT)).to_have_value("a cow")
    assert page.get_by_label("스텝 수", exact=True).first.input_value() == "9"
    page.goto(page.url.replace("/ko/", "/"))
    page.wait_for_url("**/ko/")  # the choice is kept


def test_words_are_put_into_the_prompt_by_a_click(visit) -> None:
    page = visit()
    page.get_by_role("button", name=re.compile("Words, LoRAs")).click()
    page.get_by_role("searchbox").fill("역광")
    chip = page.locator(".picker .chip").first
    expect(chip).to_contain_text("backlighting")
    page.locator(PROMPT).fill("a fox")
    chip.click()
    assert page.locator(PROMPT).input_value().startswith("a fox, backlighting")
    page.locator(".picker").get_by_role("button", name="LoRA", exact=True).click()
    expect(page.locator(".picker .note")).to_contain_text("models/loras")


def test_the_plan_of_a_prompt_is_drawn(visit) -> None:
    page = visit()
    page.locator(PROMPT).fill("a [fox:<b>wolf</b>:0.5]")
    rows = page.locator("#create-plan .row")
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("a <b>wolf</b>")
    expect(page.locator("#create-plan .tokens")).to_contain_text("/75")


def test_what_cannot_be_is_told_in_one_line(visit, served: Served) -> None:
    page = visit()
    before = len(served.house.store.list())
    ask(page, "a fox", Width="70")
    toast = page.get_by_test_id("toast-body").first
    expect(toast).to_contain_text("70")
    assert "Traceback" not in page.content()
    assert len(served.house.store.list()) == before


def test_a_picture_can_be_sent_back_to_the_form(visit, served: Served) -> None:
    job = served.house.store.submit(Request(prompt="a sun", steps=2, seed=8, width=64, height=64))
    page = visit()
    page.evaluate(
        """id => sessionStorage.setItem('easel.results.create', JSON.stringify([{id, state: 'queued', started: 1}]))""",
        job.id,
    )
    page.reload()
    drawn(page, 1)
    page.locator(f"{PANEL} .acts").get_by_role("button", name="Create").click()
    expect(page.locator(PROMPT)).to_have_value("a sun")
    assert field(page, "Seed").input_value() == "8"


def test_ctrl_enter_draws(visit) -> None:
    page = visit()
    page.locator(PROMPT).fill("a fox")
    field(page, "Steps").fill("2")
    page.locator(PROMPT).press("Control+Enter")
    drawn(page, 1)


def test_a_saved_picture_carries_its_settings(visit, served: Served) -> None:
    page = visit()
    ask(page, "a fox", Steps="2", Seed="4")
    drawn(page, 1)
    with page.expect_download() as saved:
        page.locator(f"{PANEL} .acts a").click()
    with Image.open(io.BytesIO(Path(saved.value.path()).read_bytes())) as image:
        assert "Seed: 4" in image.info["parameters"]
