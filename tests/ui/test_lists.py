"""What scripts of lists are told: all of their words, faults as a line, and only what the asker may see."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import pytest

from easel.core.caller import Caller
from easel.core.errors import UnknownName
from easel.core.request import Request
from easel.ui import gallery, queue
from easel.ui.gallery import alt
from easel.ui.house import House
from easel.ui.live import Function, answering
from easel.ui.tab import Page
from easel.ui.words import words_of
from tests.ui.houses import ended, house_in

ANNA, BERT, CHIEF = Caller("anna", False), Caller("bert", False), Caller("chief", True)


@pytest.fixture
def house(tmp_path: Path) -> Generator[House]:
    with house_in(tmp_path) as made:
        yield made


class Script:
    """A list's functions as its script asks them."""

    def __init__(self, functions: Sequence[Function]) -> None:
        page = cast("Page", SimpleNamespace(say=words_of("en")))
        self._functions = {function.__name__: answering(page, function) for function in functions}

    def ask(self, name: str, caller: Caller, **wishes: Any) -> Any:
        return self._functions[name](wishes, asked_by(caller))


def asked_by(caller: Caller) -> gr.Request:
    """Return a request as the gate leaves it."""
    return cast("gr.Request", SimpleNamespace(state=SimpleNamespace(caller=caller)))


def jobs_of(answer: Any) -> list[Any]:
    """Return which jobs a list is told of, or which pictures."""
    return (
        [one["id"] for one in answer["jobs"]]
        if "jobs" in answer
        else [(one["job"], one["number"]) for one in answer["pictures"]]
    )


@pytest.mark.parametrize("name", ["gallery", "queue"])
def test_a_script_says_all_of_its_words_and_no_others(name: str) -> None:
    code = resources.files("easel.ui").joinpath("js", f"{name}.js").read_text(encoding="utf-8")
    said, begun = set(re.findall(r'say\("(\w+)"', code)), tuple(re.findall(r"say\(`(\w+_)\$", code))
    kept = {key.partition(".")[2] for key in words_of("en").table if key.startswith(f"{name}.")}
    assert said - kept == set()
    assert {key for key in kept - said if not (begun and key.startswith(begun))} == set()
    assert all(f"{before}{state}" in kept for before in begun for state in ("done", "failed", "cancelled"))


def test_faults_come_as_a_line() -> None:
    def fail(wishes: Any, caller: Caller) -> Any:
        raise UnknownName("sampler", "Ouler", ("Euler",))

    page = cast("Page", SimpleNamespace(say=words_of("en")))
    assert "Ouler" in answering(page, fail)({}, asked_by(ANNA))["error"]
    assert "named values" in answering(page, fail)([1], asked_by(ANNA))["error"]


def test_the_gallery_shows_ones_own_and_an_admin_all(house: House) -> None:
    first = ended(house.store, house.album, Request(prompt="a red fox", batch_size=2), "anna")
    second = ended(house.store, house.album, Request(prompt="a blue owl"), "bert")
    script = Script(gallery.answers(house))
    assert jobs_of(script.ask("pictures", ANNA)) == [(first.id, 0), (first.id, 1)]
    assert jobs_of(script.ask("pictures", CHIEF)) == [(second.id, 0), (first.id, 0), (first.id, 1)]
    assert jobs_of(script.ask("pictures", CHIEF, search="fox red")) == [(first.id, 0), (first.id, 1)]
    assert script.ask("days", BERT)[0]["pictures"] == 1
    assert script.ask("about", BERT, job=second.id)["infotext"] == second.pictures[0].infotext
    assert "not known" in script.ask("about", ANNA, job=second.id)["error"]
    assert "not known" in script.ask("like", ANNA, job=second.id, on=True)["error"]
    assert script.ask("like", ANNA, job=first.id, number=1, on=True) == {"favourite": True}
    assert jobs_of(script.ask("pictures", CHIEF, liked=True)) == [(first.id, 1)]
    assert "number" in script.ask("about", ANNA, job=first.id, number=-1)["error"]
    assert "day" in script.ask("pictures", ANNA, day="yesterday")["error"]


def test_the_gallery_turns_its_pages(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "PAGE", 2)
    jobs = [ended(house.store, house.album, Request(prompt=str(number))).id for number in range(5)]
    script, found, before = Script(gallery.answers(house)), [], None
    while True:
        answer = script.ask("pictures", CHIEF, before=before)
        found += [one["job"] for one in answer["pictures"]]
        before = answer["next"]
        if before is None:
            break
    assert found == jobs[::-1]


def test_the_queue_shows_what_waits_in_turn_and_moves_ones_own(house: House) -> None:
    store = house.store
    mine = [store.submit(Request(prompt=str(number)), "anna").id for number in range(3)]
    other = store.submit(Request(), "bert").id
    script = Script(queue.answers(store, words_of("en")))
    assert jobs_of(script.ask("active", ANNA)) == mine
    assert jobs_of(script.ask("active", CHIEF)) == [mine[0], other, *mine[1:]]
    assert jobs_of(script.ask("active", CHIEF, mine=True)) == []
    script.ask("move", ANNA, job=mine[2], place=0)
    assert jobs_of(script.ask("active", ANNA)) == [mine[2], *mine[:2]]
    assert "not known" in script.ask("move", ANNA, job=other, place=0)["error"]
    assert "not known" in script.ask("cancel", ANNA, job=other)["error"]
    assert script.ask("cancel", ANNA, job=mine[0])["state"] == "cancelled"
    assert jobs_of(script.ask("history", ANNA, state="cancelled")) == [mine[0]]
    assert script.ask("retry", ANNA, job=mine[0])["state"] == "queued"
    assert script.ask("standings", CHIEF, jobs=[other, "none"]) == {
        other: {"state": "queued", "place": 1, "progress": None}
    }
    assert "state" in script.ask("history", ANNA, state="lost")["error"]


@pytest.mark.parametrize(
    ("infotext", "words"),
    [
        ("a fox, red\nNegative prompt: blurry\nSteps: 3, Seed: 1", "a fox, red"),
        ("a fox\nin snow\nSteps: 3", "a fox in snow"),
        ("Steps: 3, Seed: 1", ""),
        ("", ""),
        ("a" * 400, "a" * 159 + "…"),
    ],
)
def test_a_picture_is_described_by_its_prompt(infotext: str, words: str) -> None:
    assert alt(infotext) == words
