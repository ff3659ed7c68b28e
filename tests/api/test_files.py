"""What was drawn for somebody is theirs: by no path, number, sign or link does anybody else reach it."""

from __future__ import annotations

import io
import os
import socket
import sqlite3
import struct
import zlib
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from PIL import Image

from easel.api.pictures import text_of
from easel.api.users import new_key
from easel.media.reading import png_bytes
from tests.api.dialects import Served, serving
from tests.jobs.playing import Player

ANN_KEY, ANN = new_key("ann")
BOB_KEY, BOB = new_key("bob")
SECRET = b"nobody's business"


@dataclass(frozen=True, slots=True)
class House:
    """A server with one picture of ann's, and a secret beside its album."""

    served: Served
    album: Path
    job: str
    file: str
    picture: bytes


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    folder = tmp_path_factory.mktemp("files")
    (folder / "secret").write_bytes(SECRET)
    with serving(folder, Player(pace=0.01), (ANN, BOB)) as served:
        headers = {"Authorization": f"Bearer {ANN_KEY}"}
        asked = {"prompt": "a fox", "steps": 1, "width": 64, "height": 64}
        job = httpx2.post(f"{served.url}/v1/jobs", json=asked, headers=headers).json()["id"]
        httpx2.get(f"{served.url}/v1/jobs/{job}?wait=30", headers=headers, timeout=40)
        picture = httpx2.get(f"{served.url}/v1/jobs/{job}/pictures/0", headers=headers)
        assert picture.content.startswith(b"\x89PNG")
        file = served.store.get(job).pictures[0].file
        yield House(served, folder / "album", job, file, picture.content)


def raw(url: str, path: str, key: str) -> bytes:
    """Return an answer to a path just as it stands here, which clients would tidy up."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname or "", place.port or 80), 10) as wire:
        lines = (f"GET {path} HTTP/1.1", f"Host: {place.netloc}", f"Authorization: Bearer {key}", "Connection: close")
        wire.sendall("\r\n".join((*lines, "", "")).encode("latin-1"))
        return b"".join(iter(lambda: wire.recv(2**16), b""))


PATHS = (
    "/v1/jobs/JOB/pictures/0",
    "/v1/jobs/JOB/pictures/00",
    "/v1/jobs/JOB/pictures/-1",
    "/v1/jobs/JOB/pictures/0/",
    "/v1/jobs/JOB%00/pictures/0",
    "/v1/jobs/%00/pictures/0",
    "/v1/jobs/./JOB/pictures/0",
    "/v1/jobs/x/../JOB/pictures/0",
    "/v1/jobs/x%2f..%2fJOB/pictures/0",
    "/v1/jobs/JOB/pictures/%30",
    "/v1/jobs/JOB/pictures/0%2f..%2f0",
    "/v1/jobs/JOB/pictures/" + "9" * 4000,
    "/v1/jobs/" + "x" * 20_000 + "/pictures/0",
    "//v1/jobs/JOB/pictures/0",
    "/V1/JOBS/JOB/PICTURES/0",
    "/v1/jobs/JOB/events",
    "/v1/jobs/JOB",
    "/FILE",
    "/album/FILE",
    "/outputs/jobs/FILE",
    "/v1/outputs/FILE",
    "/files/FILE",
    "/file=FILE",
    "/gradio_api/file=FILE",
    "/v1/jobs/..%2f..%2fsecret/pictures/0",
    "/v1/jobs/%2e%2e/%2e%2e/secret",
    "/..%2f..%2fsecret",
    "/../../secret",
    "/%2e%2e/secret",
    "/%252e%252e/secret",
    "/..%c0%af..%c0%afsecret",
    "/..\\..\\secret",
    "/v1/%00",
    "/sdapi/v1/../../secret",
)


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_to_anothers(house: House, path: str) -> None:
    path = path.replace("JOB", house.job).replace("FILE", house.file)
    answer = raw(house.served.url, path, BOB_KEY)
    status = int(answer.split()[1])
    assert 300 <= status < 500, answer[:300]
    assert SECRET not in answer and house.picture[:200] not in answer and b"a fox" not in answer
    if "secret" in path:
        assert SECRET not in raw(house.served.url, path, ANN_KEY)


@pytest.mark.parametrize("outside", ["../secret", "/etc/passwd", "a/../../secret", "\0", "x" * 5000, ".", ""])
def test_not_even_what_the_queue_says_leads_out(house: House, outside: str) -> None:
    """A row that somebody changed behind our back is refused too."""
    point_to(house, outside)
    try:
        answer = raw(house.served.url, f"/v1/jobs/{house.job}/pictures/0", ANN_KEY)
        assert int(answer.split()[1]) == 507 and SECRET not in answer and b"root:" not in answer, answer[:300]
    finally:
        point_to(house, house.file)
    assert house.picture in raw(house.served.url, f"/v1/jobs/{house.job}/pictures/0", ANN_KEY)


def point_to(house: House, file: str) -> None:
    """Let the queue say that the picture is another file."""
    with closing(sqlite3.connect(house.album.parent / "jobs.sqlite", timeout=10)) as database, database:
        database.execute("update pictures set file = ?", (file,))


def test_a_link_in_the_album_leads_nowhere(house: House, tmp_path: Path) -> None:
    kept = house.album / house.file
    aside = tmp_path / "aside.png"
    for outside in (house.album.parent / "secret", aside):
        kept.rename(aside)
        try:
            os.symlink(outside, kept)
            answer = raw(house.served.url, f"/v1/jobs/{house.job}/pictures/0", ANN_KEY)
            assert int(answer.split()[1]) == 507 and b"outside of the album" in answer
            assert SECRET not in answer and house.picture[:200] not in answer
        finally:
            kept.unlink()
            aside.rename(kept)
    assert house.picture in raw(house.served.url, f"/v1/jobs/{house.job}/pictures/0", ANN_KEY)


def bomb(width: int, height: int) -> bytes:
    """Return a PNG of a few bytes whose header says that it is huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    file = io.BytesIO()
    file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)))
    file.write(chunk(b"IEND", b""))
    return file.getvalue()


@pytest.mark.parametrize("size", [(100_000, 100_000), (300_000, 300), (2**31 - 1, 2**31 - 1), (16_000, 16_000)])
def test_huge_pictures_are_refused_by_their_header(house: House, size: tuple[int, int]) -> None:
    huge = text_of(bomb(*size))
    headers = {"Authorization": f"Bearer {ANN_KEY}"}
    small = text_of(png_bytes(Image.new("RGB", (64, 64))))
    calls = {
        "/sdapi/v1/png-info": {"image": huge},
        "/sdapi/v1/extra-single-image": {"image": huge, "upscaler_1": "Lanczos"},
        "/sdapi/v1/img2img": {"init_images": [small], "mask": huge, "steps": 1},
    }
    for path, body in calls.items():
        answer = httpx2.post(house.served.url + path, json=body, headers=headers, timeout=30)
        assert answer.status_code == 422 and "pixels" in answer.text, answer.text[:300]
