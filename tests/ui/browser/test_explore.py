"""The tab "explore" as a person uses it: a grid that fills, its sheet and its film, and two pictures compared."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image

from easel.media.metadata import encode, read_picture_file
from tests.ui.serving import Served

WORDS = "a fox\nSteps: 8, Sampler: Euler, CFG scale: 7.0, Seed: 1, Size: 16x16"


def explore(visit: Any, **window: Any) -> Any:
    """The page at this tab."""
    page = visit("/en/", **window)
    page.get_by_role("tab", name="Explore", exact=True).click()
    page.locator("#explore-draw").wait_for()
    return page


def vary(page: Any, letter: str, name: str, values: str) -> None:
    """Choose what varies along an axis."""
    axis = page.locator(f"#explore-{letter} input")
    axis.click()
    axis.fill(name)
    page.get_by_role("option", name=name, exact=True).first.click()
    field = page.locator(f"#explore-{letter}-values").locator("textarea, input").first
    field.fill(values)
    field.blur()


def steps(page: Any, count: int) -> None:
    """Ask for few steps."""
    field = page.locator("#tab-explore").get_by_label("Steps", exact=True)
    field.fill(str(count))
    field.blur()


def test_a_grid_fills_and_is_laid_out(visit: Any, served: Served) -> None:
    page = explore(visit)
    page.locator("#explore-prompt textarea").fill("a fox")
    vary(page, "x", "Steps", "1,2,3")
    page.get_by_text("3 pictures: 3 × 1 × 1").wait_for()
    page.locator("#explore-draw").click()
    page.locator('.plot .box[data-state="done"]').nth(2).wait_for()
    assert page.locator(".plot th[scope=col]").all_inner_texts() == ["Steps: 1", "Steps: 2", "Steps: 3"]
    jobs = served.house.store.list()
    assert sorted(job.request.steps or 0 for job in jobs) == [1, 2, 3]
    assert len({job.request.seed for job in jobs}) == 1
    page.get_by_role("button", name="Labelled sheet").click()
    with page.expect_download() as saved:
        page.locator(".plot .files a").first.click()
    sheet = read_picture_file(io.BytesIO(Path(saved.value.path()).read_bytes()))
    assert "X Values: " in (sheet.infotext or "")
    page.get_by_role("button", name="Film").click()
    page.locator('.plot .files a[download$=".gif"]').wait_for()
    page.locator(".plot .cell").first.click()
    page.locator(".plot .looked img").wait_for()
    page.reload()
    page.get_by_role("tab", name="Explore", exact=True).click()
    page.locator('.plot .box[data-state="done"]').nth(2).wait_for()


def test_a_matrix_draws_every_choice(visit: Any, served: Served) -> None:
    page = explore(visit)
    page.get_by_label("Prompt matrix").check()
    steps(page, 1)
    page.locator("#explore-prompt textarea").fill("a fox|red")
    page.get_by_text("2 pictures: 2 × 1 × 1").wait_for()
    page.locator("#explore-draw").click()
    page.locator('.plot .box[data-state="done"]').nth(1).wait_for()
    assert {job.request.prompt for job in served.house.store.list(limit=2)} == {"a fox", "a fox, red"}


def test_a_wrong_value_is_told_before_anything_is_drawn(visit: Any, served: Served) -> None:
    page = explore(visit)
    before = len(served.house.store.list())
    vary(page, "x", "Steps", "two")
    page.locator("#explore-count").get_by_text("two").wait_for()
    assert len(served.house.store.list()) == before


def test_two_pictures_are_compared(visit: Any, tmp_path: Path) -> None:
    page = explore(visit)
    page.get_by_label("Compare two").check()
    for name, colour, words in (("first", "red", WORDS), ("second", "blue", WORDS.replace("fox", "cat"))):
        file = tmp_path / f"{name}.png"
        file.write_bytes(encode(Image.new("RGB", (16, 16), colour), words))
        page.locator(f"#compare-{name}").set_input_files(file)
    page.locator(".compare .verdict").get_by_text("256 of 256 pixels differ").wait_for()
    assert page.locator(".compare mark").all_inner_texts() == ["fox", "cat"]
    page.locator(".compare .two").wait_for()
