"""What a person does in the tab "models": searches, looks, draws with one; an admin merges, and stops."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from safetensors import safe_open

from easel.ui.words import words_of
from tests.ldm import SMALL_1, random_tensors, write_ldm
from tests.ui.serving import Served, serving

SAY = words_of("en")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """A server with two small checkpoints beside the starter."""
    folder: Path = tmp_path_factory.mktemp("served")
    for seed, name in enumerate("ab"):
        tensors = random_tensors(SMALL_1, seed)
        small = {key: value[:64].clone() if "token_" in key else value for key, value in tensors.items()}
        write_ldm(folder / "models" / f"{name}.safetensors", small)
    with serving(folder) as made:
        yield made


def opened(page: Page) -> Page:
    """Turn to the tab, and wait for its cards."""
    page.get_by_role("tab", name=SAY("tab.models"), exact=True).click()
    page.locator(".models-card").first.wait_for()
    return page


def test_found_by_words_and_looked_at(visit) -> None:
    page = opened(visit("/en/"))
    search = page.get_by_label(SAY("models.search"), exact=True)
    search.fill("b.safetensors")
    expect(page.locator(".models-card")).to_have_count(1)
    page.locator(".models-card").click()
    expect(page.locator(".models-details h3")).to_have_text("b")
    expect(page.locator(".models-details")).to_contain_text("sd 1.x")
    search.fill("")
    expect(page.locator(".models-card[data-name=a]")).to_be_visible()


def test_a_model_goes_to_create(visit) -> None:
    page = opened(visit("/en/"))
    page.locator(".models-card[data-name=b]").click()
    page.get_by_role("button", name=SAY("models.use"), exact=True).click()
    expect(page.locator("[role=tabpanel]").get_by_label(SAY("form.model"), exact=True).first).to_have_value("b")


def choose(page: Page, label: str, value: str) -> None:
    """Choose in a list of the form that is open."""
    field = page.get_by_label(label, exact=True).first
    field.click()
    page.get_by_role("option", name=value, exact=True).last.click()


def test_an_admin_merges_two_and_finds_the_new_one(visit, served: Served) -> None:
    page = opened(visit("/en/"))
    page.get_by_role("button", name=SAY("models.merge.title")).click()
    choose(page, SAY("models.merge.a"), "a")
    choose(page, SAY("models.merge.b"), "b")
    page.locator("#models-merge-name input, #models-merge-name textarea").fill("half")
    page.wait_for_timeout(300)
    page.get_by_role("button", name=SAY("models.merge.do"), exact=True).click()
    piece = page.locator(".models-piece").first
    expect(piece).to_have_attribute("data-state", "done", timeout=60_000)
    expect(piece).to_contain_text("half.safetensors: sd 1.x")
    expect(page.locator(".models-card[data-name=half]")).to_be_visible()
    with safe_open(served.house.settings.models / "half.safetensors", "pt") as made:
        recipe = json.loads(made.metadata()["easel.merge"])
    assert {name: recipe[name] for name in recipe if name != "models"} == {"method": "weighted", "ratio": 0.3}


def test_a_wrong_wish_is_one_line(visit, served: Served) -> None:
    page = opened(visit("/en/"))
    page.get_by_role("button", name=SAY("models.fetch.title")).click()
    page.locator("#models-fetch-what").locator("input, textarea").fill("no such thing")
    page.wait_for_timeout(300)
    page.get_by_role("button", name=SAY("models.fetch.do"), exact=True).click()
    expect(page.get_by_text("no such thing").last).to_be_visible()
    assert not any(piece.title == "no such thing" for piece in served.house.workshop.pieces())
