"""A day's pictures as one zip: each their own, an admin all, nothing that was not drawn."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from easel.api.users import new_key
from tests.api.dialects import Served, serving
from tests.jobs.playing import Player


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Served, dict[str, str], Path]]:
    """A server that anna, bert and an admin use, their keys, and its folder."""
    folder = tmp_path_factory.mktemp("team")
    made = {name: new_key(name, admin=name == "chief") for name in ("anna", "bert", "chief")}
    with serving(folder, Player(), [secret for _, secret in made.values()]) as served:
        yield served, {name: key for name, (key, _) in made.items()}, folder


class Door:
    """The server as one user sees it."""

    def __init__(self, served: Served, key: str) -> None:
        self.web = httpx2.Client(base_url=served.url, timeout=20, headers={"Authorization": f"Bearer {key}"})

    def drawn(self, **fields: Any) -> dict[str, Any]:
        """Draw, wait, and return the job."""
        id = self.web.post("/v1/jobs", json={"prompt": "a fox", "steps": 1, **fields}).json()["id"]
        return self.web.get(f"/v1/jobs/{id}", params={"wait": 20}).json()

    def days(self) -> list[dict[str, Any]]:
        return self.web.get("/v1/outputs").json()["days"]

    def zip(self, url: str) -> zipfile.ZipFile:
        answer = self.web.get(url)
        assert answer.status_code == 200 and answer.headers["content-type"] == "application/zip"
        assert answer.headers["content-disposition"].endswith(f'"easel-{url[-14:]}"')
        return zipfile.ZipFile(io.BytesIO(answer.content))


@pytest.fixture
def doors(team: tuple[Served, dict[str, str], Path]) -> Generator[dict[str, Door]]:
    served, keys, _ = team
    found = {name: Door(served, key) for name, key in keys.items()}
    yield found
    for door in found.values():
        door.web.close()


def test_each_fetches_their_own_day(doors: dict[str, Door], team: tuple[Served, dict[str, str], Path]) -> None:
    anna, bert, chief = doors.values()
    assert anna.days() == []
    drawn = anna.drawn(seed=7, batch_size=3)
    other = bert.drawn(seed=9)
    (day,) = anna.days()
    assert day["pictures"] == 3 and day["bytes"] == sum(one["bytes"] for one in drawn["pictures"])
    archive = anna.zip(day["url"])
    date = day["date"]
    assert archive.namelist() == [f"{date}/0000{at}-{7 + at}.png" for at in range(3)]
    for name, one in zip(archive.namelist(), drawn["pictures"], strict=True):
        assert archive.read(name) == anna.web.get(one["url"]).content
    assert bert.zip(day["url"]).namelist() == [f"{date}/00000-9.png"]
    everything = [f"{date}/anna/0000{at}-{7 + at}.png" for at in range(3)] + [f"{date}/bert/00003-9.png"]
    assert chief.zip(day["url"]).namelist() == everything
    served, _, folder = team
    (folder / "album" / served.store.get(other["id"]).pictures[0].file).unlink()
    gone = bert.zip(day["url"])
    assert gone.namelist() == ["missing.txt"] and b"00000-9.png" in gone.read("missing.txt")


def test_what_a_link_leads_out_of_the_album_is_not_given(
    doors: dict[str, Door], team: tuple[Served, dict[str, str], Path]
) -> None:
    served, _, folder = team
    job = doors["anna"].drawn(seed=3)
    (folder / "secret.txt").write_text("a secret")
    file = folder / "album" / served.store.get(job["id"]).pictures[0].file
    file.unlink()
    file.symlink_to(folder / "secret.txt")
    answer = doors["anna"].web.get(doors["anna"].days()[0]["url"]).content
    assert b"a secret" not in answer and b"missing.txt" in answer


@pytest.mark.parametrize(
    "name", ["2026-02-30.zip", "2026-11-21", "..zip", "%2e%2e%2fjobs.sqlite", "2026-11-21.zip.zip", "jobs", "-1.zip"]
)
def test_what_is_no_day_is_refused(doors: dict[str, Door], name: str) -> None:
    answer = doors["chief"].web.get(f"/v1/outputs/{name}")
    assert answer.status_code in (404, 422) and "error" in answer.json()


def test_a_day_without_pictures_is_not_there(doors: dict[str, Door]) -> None:
    answer = doors["anna"].web.get("/v1/outputs/1999-12-31.zip")
    assert answer.status_code == 404 and "no picture is of 1999-12-31" in answer.json()["error"]["message"]


def test_favourites_are_said_and_listed(doors: dict[str, Door]) -> None:
    anna, bert, _ = doors.values()
    job = anna.drawn(batch_size=2)
    url = f"/v1/jobs/{job['id']}/pictures/1/favourite"
    assert [one["favourite"] for one in anna.web.post(url).json()["pictures"]] == [False, True]
    listed = anna.web.get("/v1/jobs", params={"favourites": True}).json()["jobs"]
    assert [one["id"] for one in listed] == [job["id"]]
    assert bert.web.post(url).status_code == 404
    assert anna.web.post(f"/v1/jobs/{job['id']}/pictures/2/favourite").status_code == 422
    assert not any(one["favourite"] for one in anna.web.post(url, params={"on": False}).json()["pictures"])
    today = anna.days()[0]["date"]
    assert job["id"] in {one["id"] for one in anna.web.get("/v1/jobs", params={"day": today}).json()["jobs"]}
    assert anna.web.get("/v1/jobs", params={"day": "1999-12-31"}).json()["jobs"] == []
    assert anna.web.get("/v1/jobs", params={"day": "../x"}).status_code == 422
