"""Models as people see them: which match, their cards, what is known of one, and the pictures beside them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest
import torch
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image
from safetensors.torch import save_file
from starlette.requests import Request as HttpRequest

from easel.core.caller import Caller
from easel.core.errors import Forbidden, UnknownName
from easel.core.settings import Settings
from easel.models.library.hashing import hash_of
from easel.models.library.kinds import KINDS
from easel.models.library.names import Entry, Library
from easel.models.library.previews import preview_of
from easel.ui import links, previews
from easel.ui.models import entry_called, hash_known, notes_of
from easel.ui.models.cards import FAMILIES, GLYPHS, Wanted, cards, details, kind_choices, matching
from easel.ui.models.works import OPTIONS, admin, far, shown, spoken
from easel.ui.previews import SIDE
from easel.ui.words import LANGUAGES, words_of
from easel.ui.workshop import Piece, Step
from tests.ldm import SMALL_1, random_tensors, write_ldm

SAY = words_of("en")
LORA = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder: a checkpoint with a picture, a LoRA whose maker wrote HTML, a file that is nothing."""
    models = tmp_path_factory.mktemp("models")
    tensors = random_tensors(SMALL_1, 0)
    write_ldm(models / "fox.safetensors", {k: v[:64].clone() if "token_" in k else v for k, v in tensors.items()})
    Image.new("RGB", (900, 600), (200, 90, 20)).save(models / "fox.preview.png")
    (models / "lora" / "styles").mkdir(parents=True)
    weights = {f"{LORA}.lora_down.weight": torch.zeros(2, 320), f"{LORA}.lora_up.weight": torch.zeros(320, 2)}
    told = {"modelspec.title": "<b>Ink</b> {{x}}", "modelspec.trigger_phrase": "ink style"}
    save_file(weights, models / "lora" / "styles" / "ink {1}.safetensors", metadata=told)
    save_file({"x": torch.zeros(3)}, models / "odd.safetensors")
    return models


@pytest.fixture(scope="module")
def library(folder: Path) -> Library:
    return Library(Settings(models=folder), paths=False)


@pytest.fixture(scope="module")
def entries(library: Library, folder: Path) -> list[Entry]:
    """The files of the folder, and the starter without its companions."""
    every = library.entries(within=None)
    return [entry for entry in every if entry.name == "starter" or entry.path.is_relative_to(folder)]


def names(found: list[Entry]) -> set[str]:
    return {entry.name for entry in found}


def test_all_words_must_stand_in_name_place_or_kind(entries: list[Entry]) -> None:
    assert names(matching(entries, Wanted())) == {"fox", "odd", "starter", "styles/ink {1}"}
    assert names(matching(entries, Wanted("FOX"))) == {"fox"}
    assert names(matching(entries, Wanted("lora ink"))) == {"styles/ink {1}"}
    assert names(matching(entries, Wanted("sd 1.x"))) == {"fox", "starter"}
    assert not matching(entries, Wanted("fox ink"))


def test_kind_and_family_narrow_it(entries: list[Entry]) -> None:
    assert names(matching(entries, Wanted(kind="lora"))) == {"styles/ink {1}"}
    assert names(matching(entries, Wanted(kind="checkpoint", family="sd"))) == {"fox", "starter"}
    assert not matching(entries, Wanted(family="flux"))


def test_a_card_shows_what_it_is_and_escapes_it(entries: list[Entry]) -> None:
    shown = cards(matching(entries, Wanted("ink")), SAY)
    assert 'data-name="styles/ink &#123;1&#125;"' in shown and "{" not in shown
    assert ">ink &#123;1&#125;</span>" in shown and "LoRA" in shown
    (picture,) = (entry for entry in entries if entry.name == "fox")
    assert links.preview("checkpoint", "fox") in cards([picture], SAY)
    odd = cards(matching(entries, Wanted("odd")), SAY)
    assert "data-trouble" in odd and SAY("models.unusable") in odd


def test_only_some_cards_at_once_and_a_button_for_more(entries: list[Entry]) -> None:
    shown = cards(entries, SAY, shown=2)
    assert shown.count("models-card") == 1 + 2  # their grid is called alike
    assert 'data-more="62"' in shown and SAY("models.more", count=2) in shown
    assert SAY("models.none") in cards([], SAY)


def test_details_escape_what_makers_wrote(library: Library) -> None:
    entry = entry_called(library, "lora", "styles/ink {1}")
    shown = details(entry, notes_of(entry), SAY)
    assert "&lt;b&gt;Ink&lt;/b&gt;" in shown and "<b>" not in shown and "{{" not in shown
    assert "ink style" in shown and SAY("models.card.trigger") in shown


def test_places_are_told_to_admins_alone(library: Library, folder: Path) -> None:
    for name in ("fox", "odd"):
        entry = entry_called(library, "checkpoint", name)
        assert str(folder) in details(entry, {}, SAY, admin=True)
        assert str(folder) not in details(entry, {}, SAY, admin=False)


def test_a_name_that_is_not_there(library: Library) -> None:
    with pytest.raises(UnknownName):
        entry_called(library, "checkpoint", "lost")
    with pytest.raises(UnknownName):
        entry_called(library, "nonsense", "fox")


def test_a_hash_is_told_once_it_is_known(library: Library, folder: Path) -> None:
    entry = entry_called(library, "checkpoint", "fox")
    assert hash_known(entry) == ""
    assert hash_known(entry) == "" != hash_of([folder / "fox.safetensors"])[:10] == hash_known(entry)


def test_every_kind_and_family_has_its_words() -> None:
    for language in LANGUAGES:
        assert len(kind_choices(words_of(language))) == len(KINDS) + 1
    assert set(GLYPHS) == set(KINDS)
    assert set(FAMILIES) == {"sd", "sdxl", "sd3", "flux"}


@pytest.fixture
def client(library: Library) -> Iterator[TestClient]:
    web = FastAPI()
    previews.add(web, library)
    with TestClient(web) as client:
        yield client


def test_a_preview_comes_small_and_once(client: TestClient) -> None:
    answer = client.get(links.preview("checkpoint", "fox"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    assert Image.open(io.BytesIO(answer.content)).size == (SIDE, SIDE * 2 // 3)
    again = client.get(links.preview("checkpoint", "fox"), headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("checkpoint", "odd"),
        ("checkpoint", "lost"),
        ("nonsense", "fox"),
        ("lora", "styles/ink {1}"),
        ("checkpoint", "../fox"),
        ("checkpoint", "fox.preview.png"),
    ],
)
def test_what_has_no_preview_is_not_found(client: TestClient, kind: str, name: str) -> None:
    assert client.get(links.preview(kind, name)).status_code == 404


def test_where_previews_stand(tmp_path: Path) -> None:
    for name in ("a.png", "b.preview.jpg", "b.png", "d.webp"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "d").mkdir()
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "preview.png").write_bytes(b"x")
    found = {
        name: preview_of(tmp_path / name) for name in ("a.safetensors", "b.pt", "c.safetensors", "d", "e", "a.png")
    }
    assert {name: path.name if path else "" for name, path in found.items()} == {
        "a.safetensors": "a.png",
        "b.pt": "b.preview.jpg",
        "c.safetensors": "",
        "d": "d.webp",
        "e": "preview.png",
        "a.png": "a.png",
    }


def test_a_preview_that_is_no_picture(client: TestClient, folder: Path) -> None:
    (folder / "odd.png").write_bytes(b"no picture")
    try:
        assert client.get(links.preview("checkpoint", "odd")).status_code == 404
    finally:
        (folder / "odd.png").unlink()


def test_work_is_shown_with_how_far_it_is() -> None:
    running = Piece(3, "fetch", "a<b>", "ann", "running", Step(5_000_000, 20_000_000), seconds=5.0)
    text = shown([running], SAY)
    assert 'value="0.2500"' in text and 'data-stop="3"' in text and "a&lt;b&gt;" in text
    assert far(running, SAY) == "5.0 MB / 20 MB · 1.0 MB/s · 15 s left"
    ended = Piece(3, "merge", "ab", "ann", "done", Step(9, 9), "half.safetensors: sd 1.x")
    assert "data-stop" not in shown([ended], SAY) and "half.safetensors" in shown([ended], SAY)
    assert shown([], SAY) == ""


def test_messages_call_fields_as_the_page_does() -> None:
    replace, name = SAY("models.replace"), SAY("models.save_as")
    line = spoken("x: there is one; --force replaces it, --name gives another; see --odd.", SAY)
    assert line == f"x: there is one; “{replace}” replaces it, “{name}” gives another; see --odd."
    assert all(SAY.has(f"models.{key}") for key in OPTIONS.values())


@pytest.mark.parametrize("known", [True, False])
def test_work_is_for_admins_alone(known: bool) -> None:
    scope = {"type": "http", "headers": [], "state": {"caller": Caller("ann", known)}}
    request = gr.Request(HttpRequest(scope))
    if known:
        assert admin(request, SAY).name == "ann"
        return
    with pytest.raises(Forbidden, match="work on models is for admins"):
        admin(request, SAY)
