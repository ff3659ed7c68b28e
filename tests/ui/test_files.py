"""Small copies and zips over HTTP: each to its owner, an admin to all, and nothing that was not asked for rightly."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Generator
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from easel.api.security import Gate
from easel.api.server import app
from easel.api.users import Users, new_key
from easel.core.request import Request
from easel.ui import files, links
from easel.ui.house import House
from tests.ui.houses import ended, house_in

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


KEYS = {name: new_key(name) for name in ("anna", "bert")}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    with house_in(tmp_path_factory.mktemp("house")) as made:
        yield made


@pytest.fixture(scope="module")
def ask(house: House) -> Generator[TestClient]:
    """The server's app with the page's files, as its users find it."""
    gate = Gate(Users(secret for _, secret in KEYS.values()))
    web = app(house.store, house.feed, house.library, house.settings, album=house.album, gate=gate)
    files.add(web, house)
    with TestClient(web, base_url="http://127.0.0.1") as client:
        yield client


def of(name: str) -> dict[str, str]:
    """Return the headers of a user."""
    return {"Authorization": f"Bearer {KEYS[name][0]}"}


def zipped(names: list[str]) -> str:
    return urlencode([("picture", name) for name in names])


def test_a_small_copy_goes_to_its_owner_alone(house: House, ask: TestClient) -> None:
    job = ended(house.store, house.album, Request(), "anna")
    given = ask.get(links.small(job.id, 0), headers=of("anna"))
    assert given.headers["content-type"] == "image/webp"
    assert "immutable" in given.headers["cache-control"]
    assert Image.open(io.BytesIO(given.content)).size == (16, 8)
    assert ask.get(links.small(job.id, 0), headers=of("bert")).status_code == 404
    assert ask.get(links.small(job.id, 1), headers=of("anna")).status_code == 404
    assert ask.get(links.small(job.id, 0)).status_code == 401


def test_a_picture_that_is_gone_is_told(house: House, ask: TestClient) -> None:
    job = ended(house.store, house.album, Request(), "anna")
    house.file_of(job.pictures[0]).unlink()
    given = ask.get(links.small(job.id, 0), headers=of("anna"))
    assert given.status_code == 507
    assert "no longer there" in given.text


def test_a_zip_holds_what_was_chosen_byte_for_byte(house: House, ask: TestClient) -> None:
    one = ended(house.store, house.album, Request(batch_size=3), "anna")
    two = ended(house.store, house.album, Request(), "anna")
    body = zipped([f"{one.id}/2", f"{two.id}/0", f"{one.id}/2"])
    given = ask.post(files.ZIP, content=body, headers=FORM | of("anna"))
    assert given.headers["content-disposition"] == 'attachment; filename="easel-2.zip"'
    with zipfile.ZipFile(io.BytesIO(given.content)) as archive:
        chosen = [one.pictures[2], two.pictures[0]]
        assert [archive.read(name) for name in archive.namelist()] == [
            house.file_of(kept).read_bytes() for kept in chosen
        ]
        assert all(str(kept.seed) in name for kept, name in zip(chosen, archive.namelist(), strict=True))


def test_a_zip_names_what_is_gone(house: House, ask: TestClient) -> None:
    job = ended(house.store, house.album, Request(batch_size=2), "anna")
    house.file_of(job.pictures[0]).unlink()
    given = ask.post(files.ZIP, content=zipped([f"{job.id}/0", f"{job.id}/1"]), headers=FORM | of("anna"))
    with zipfile.ZipFile(io.BytesIO(given.content)) as archive:
        assert len(archive.namelist()) == 2
        assert str(job.pictures[0].seed) in archive.read("missing.txt").decode()


@pytest.mark.parametrize("names", [["../../etc/passwd"], ["a"], ["a/-1"], ["a/٣"], ["/0"], []])
def test_a_zip_of_nonsense_is_refused(ask: TestClient, names: list[str]) -> None:
    assert ask.post(files.ZIP, content=zipped(names), headers=FORM | of("anna")).status_code in (404, 422)


def test_a_zip_of_anothers_picture_is_refused(house: House, ask: TestClient) -> None:
    mine, theirs = (ended(house.store, house.album, Request(), user) for user in ("anna", "bert"))
    body = zipped([f"{mine.id}/0", f"{theirs.id}/0"])
    assert ask.post(files.ZIP, content=body, headers=FORM | of("anna")).status_code == 404
    too_many = zipped([f"{mine.id}/{number}" for number in range(files.MOST + 1)])
    assert ask.post(files.ZIP, content=too_many, headers=FORM | of("anna")).status_code == 422
    assert ask.post(files.ZIP, content=b"picture=\xff", headers=FORM | of("anna")).status_code == 422
