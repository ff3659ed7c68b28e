"""The way to the page: the server answers before the page stands, who asks early waits, and a fault is told."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from easel.ui.front import COOKIE, PATHS, Building, Wing, made, mount
from easel.ui.words import LANGUAGES
from tests.ui.houses import house_in


def wing(language: str) -> Wing:
    """A page of one word."""
    return FastAPI(), PlainTextResponse(language)


def asked(building: Building, language: str) -> asyncio.Task[str]:
    """Ask for the page in one language."""

    async def answer() -> str:
        web = FastAPI()
        web.mount("/", lambda scope, receive, send: building.answer(language, scope, receive, send))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://here") as client:
            return (await client.get("/")).text

    return asyncio.create_task(answer())


def test_who_asks_early_waits_and_is_answered_in_their_language() -> None:
    may = threading.Event()

    def slowly(language: str) -> Wing:
        assert may.wait(20)
        return wing(language)

    async def story() -> None:
        building = Building(slowly)
        async with building.open():
            asks = [asked(building, language) for language in LANGUAGES]
            for _ in range(20):
                await asyncio.sleep(0)
            assert not building.stands
            assert not any(one.done() for one in asks)
            may.set()
            assert await asyncio.gather(*asks) == list(LANGUAGES)
            assert building.stands

    asyncio.run(story())


def test_what_kept_it_from_being_built_is_told_to_who_asks_and_other_languages_stand() -> None:
    def broken(language: str) -> Wing:
        if language == LANGUAGES[0]:
            raise OSError("the disk is gone")
        return wing(language)

    async def story() -> None:
        building = Building(broken)
        async with building.open():
            with pytest.raises(OSError, match="the disk is gone"):
                await asked(building, LANGUAGES[0])
            assert await asked(building, LANGUAGES[1]) == LANGUAGES[1]

    asyncio.run(story())


def test_a_server_that_ends_at_once_builds_no_more_than_it_began() -> None:
    begun: list[str] = []
    may = threading.Event()

    def noted(language: str) -> Wing:
        begun.append(language)
        assert may.wait(20)
        return wing(language)

    async def story() -> None:
        async with Building(noted).open():
            while not begun:
                await asyncio.sleep(0.001)
            asyncio.get_running_loop().call_soon(may.set)  # after the context's end has begun

    asyncio.run(story())
    assert begun == [LANGUAGES[0]]


@pytest.mark.parametrize(
    ("cookie", "accepted", "path"),
    [("", "ko-KR,ko;q=0.9,en;q=0.5", "/ko/"), ("en", "ko", "/en/"), ("xx", "", "/en/"), ("ko", "en", "/ko/")],
)
def test_the_front_page_leads_to_a_language_with_what_was_asked(
    tmp_path: Path, cookie: str, accepted: str, path: str
) -> None:
    web = FastAPI()
    with house_in(tmp_path) as house:
        mount(web, house)
        client = TestClient(web, cookies={COOKIE: cookie} if cookie else None, follow_redirects=False)
        answer = client.get("/?prompt=a%20fox", headers={"accept-language": accepted})
    assert answer.status_code == 307
    assert answer.headers["location"] == f"{path}?prompt=a%20fox"
    assert path.rstrip("/") in PATHS


def test_what_the_server_loads_before_it_answers_is_light() -> None:
    heavy = ("gradio", "pandas", "torch", "numpy")
    program = f"import easel.ui.front, sys; print([one for one in {heavy} if one in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


def test_gradio_is_loaded_without_writing_beside_its_own_files() -> None:
    program = """
import sys
from pathlib import Path
from easel.ui.stubless import without_stubs
before = list(sys.meta_path)
with without_stubs():
    import gradio.component_meta as meta
    import gradio
assert sys.meta_path == before
Path.read_text = None  # the stubs are made of the source that is read
meta.create_or_modify_pyi(gradio.Textbox, "Textbox", [])
print(gradio.Textbox(label="a").label)
"""
    found = subprocess.run([sys.executable, "-W", "error", "-c", program], check=False, capture_output=True, text=True)
    assert found.stdout.strip() == "a", found.stderr


def test_building_the_page_leaves_no_loop_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[asyncio.SelectorEventLoop] = []
    begin = asyncio.SelectorEventLoop.__init__

    def noted(loop: asyncio.SelectorEventLoop, *args: Any) -> None:
        opened.append(loop)
        begin(loop, *args)

    monkeypatch.setattr(asyncio.SelectorEventLoop, "__init__", noted)
    with house_in(tmp_path) as house, ThreadPoolExecutor(1) as pool:
        pool.submit(made, house, "en").result()
    still = [loop for loop in opened if not loop.is_closed()]
    for loop in still:
        loop.close()
    assert not still
