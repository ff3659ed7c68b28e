"""What pictures depend on besides their requests, and what a request that comes again is answered by over HTTP."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from easel.api.circumstances import Circumstances, digest
from easel.api.users import new_key
from easel.core.settings import Settings
from easel.core.version import version
from easel.models.library.names import Library
from tests.api.dialects import Served, serving
from tests.jobs.playing import Player

FOX = {"prompt": "a fox", "seed": 7, "steps": 2}


@pytest.fixture
def served(tmp_path: Path) -> Generator[tuple[Served, Player]]:
    (tmp_path / "models" / "loras").mkdir(parents=True)
    (tmp_path / "models" / "loras" / "ink.safetensors").write_bytes(b"weights")
    player = Player(pace=0.0)
    with serving(tmp_path, player) as found:
        yield found, player


def asked(url: str, body: dict[str, Any], headers: dict[str, str] | None = None, **query: str) -> dict[str, Any]:
    """Submit a request, wait for its end and return its job."""
    with httpx2.Client(base_url=url, timeout=20, headers=headers) as web:
        answer = web.post("/v1/jobs", json=body, params=query)
        assert answer.status_code == 202, answer.text
        return web.get(f"/v1/jobs/{answer.json()['id']}", params={"wait": 20}).json()


def pictures(url: str, job: dict[str, Any]) -> list[bytes]:
    return [httpx2.get(url + one["url"]).content for one in job["pictures"]]


def test_a_request_that_comes_again_is_answered_at_once_by_choice(served: tuple[Served, Player]) -> None:
    here, player = served
    first = asked(here.url, FOX)
    answer = httpx2.post(f"{here.url}/v1/jobs", json=FOX, params={"repeat": "kept", "id": "again"})
    assert answer.status_code == 202 and answer.headers["location"] == "/v1/jobs/again"
    job = answer.json()
    assert job["state"] == "done" and len(player.asked) == 1
    assert pictures(here.url, job) == pictures(here.url, first) and job["pictures"] != first["pictures"]
    assert httpx2.post(f"{here.url}/v1/jobs?repeat=always", json=FOX).status_code == 422
    asked(here.url, FOX)
    asked(here.url, FOX, repeat="draw")
    asked(here.url, {**FOX, "seed": None}, repeat="kept")
    asked(here.url, {**FOX, "seed": None}, repeat="kept")
    assert len(player.asked) == 5


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.write_bytes(b"WEIGHTS"),
        lambda file: file.unlink(),
        lambda file: (file.parent / "new.safetensors").write_bytes(b"more"),
        lambda file: file.rename(file.with_name("other.safetensors")),
    ],
    ids=["changed", "gone", "new", "renamed"],
)
def test_where_a_models_file_changed_it_is_drawn(
    served: tuple[Served, Player], tmp_path: Path, change: Callable[[Path], object]
) -> None:
    here, player = served
    asked(here.url, FOX)
    asked(here.url, FOX, repeat="kept")
    assert len(player.asked) == 1
    change(tmp_path / "models" / "loras" / "ink.safetensors")
    asked(here.url, FOX, repeat="kept")
    assert len(player.asked) == 2
    asked(here.url, FOX, repeat="kept")
    assert len(player.asked) == 2


def test_a_file_put_back_with_its_old_size_and_date_is_told(tmp_path: Path) -> None:
    file = tmp_path / "loras" / "ink.safetensors"
    file.parent.mkdir()
    file.write_bytes(b"weights")
    settings = Settings(models=tmp_path)
    library, facts = Library(settings), file.stat()
    told = Circumstances().told(library, settings, now=True)
    assert Circumstances().told(library, settings, now=True) == told
    file.write_bytes(b"WEIGHTS")
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert Circumstances().told(library, settings, now=True) != told


def test_a_file_within_a_folder_of_a_model_counts(tmp_path: Path) -> None:
    part = tmp_path / "toy" / "unet" / "config.json"
    part.parent.mkdir(parents=True)
    (tmp_path / "toy" / "model_index.json").write_text("{}")
    part.write_text("{}")
    settings = Settings(models=tmp_path)
    library = Library(settings)
    assert "toy" in library.places()
    told = Circumstances().told(library, settings, now=True)
    part.write_text('{"a": 1}')
    assert Circumstances().told(library, settings, now=True) != told


def test_version_and_settings_count_and_folders_of_pictures_do_not(tmp_path: Path) -> None:
    library = Library(Settings(models=tmp_path))

    def told(**chosen: Any) -> str:
        return Circumstances().told(library, Settings(models=tmp_path, **chosen), now=True)

    usual = told()
    assert told(precision="float32") != usual and told(weights="cast") != usual
    assert told(outputs=tmp_path / "elsewhere") == usual == told(keep_days=3)
    assert digest(library, Settings(models=tmp_path), version()) == usual
    assert digest(library, Settings(models=tmp_path), "0.0.1") != usual


def test_who_only_keeps_it_is_told_what_stood_a_moment_ago(tmp_path: Path) -> None:
    settings, sight = Settings(models=tmp_path), Circumstances()
    library = Library(settings)
    told = sight.told(library, settings, now=False)
    (tmp_path / "ink.safetensors").write_bytes(b"weights")
    assert sight.told(library, settings, now=False) == told
    assert sight.told(library, settings, now=True) != told


def test_another_user_never_gets_it(tmp_path: Path) -> None:
    (annas, anna), (berts, bert) = new_key("anna"), new_key("bert")
    player = Player(pace=0.0)
    with serving(tmp_path, player, [anna, bert]) as here:
        for key, drawn in ((annas, 1), (annas, 1), (berts, 2), (berts, 2), (annas, 2)):
            job = asked(here.url, FOX, {"Authorization": f"Bearer {key}"}, repeat="kept")
            assert job["state"] == "done" and len(player.asked) == drawn
