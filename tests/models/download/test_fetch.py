"""One file from a server that cuts, lies and redirects: real sockets, nothing half-written."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from pydantic import SecretStr

from easel.core.errors import EaselError, Mismatch, RequestError, ResourceError, StorageError, Unsafe
from easel.models.download.fetch import fetch
from easel.models.download.partial import part_of
from easel.models.download.sites import Site
from easel.models.download.wanted import Note, Progress, Wanted
from easel.models.download.web import Patience, Web
from tests.sites import Served, Server, served

BODY = random.Random(1).randbytes(300_000)
DIGEST = hashlib.sha256(BODY).hexdigest()
QUICK = Patience(tries=4, first=0.001, longest=0.01, asked=2.0)


@pytest.fixture
def server() -> Iterator[Server]:
    with served() as found:
        yield found


@pytest.fixture
def other() -> Iterator[Server]:
    """Another host: the same machine, another port."""
    with served() as found:
        yield found


@pytest.fixture
def web(server: Server) -> Iterator[Web]:
    home = Site("civitai", "Civitai", server.base, ("CIVITAI_TOKEN",), "https://civitai.com/user/account")
    with Web([replace(home, token=SecretStr("secret-token"))], patience=QUICK) as found:
        yield found


def wanted_from(server: Server, **facts: Any) -> Wanted:
    return replace(Wanted(f"{server.base}/x", "x", sha256=DIGEST), **facts)


def all_of(wanted: Wanted, target: Path, web: Web, *, again: bool = False) -> list[str]:
    """Fetch; return the notes."""
    notes: list[str] = []
    last = None
    for event in fetch(wanted, target, web, replace=again):
        if isinstance(event, Note):
            notes.append(event.text)
        else:
            last = event
    assert last is None or last == Progress(len(BODY), len(BODY))
    return notes


def nothing_left(folder: Path) -> bool:
    return not any(folder.iterdir())


def ranges(server: Server) -> list[str | None]:
    return [asking.headers["Range"] for asking in server.asked]


def test_a_file_comes_whole(server: Server, web: Web, tmp_path: Path) -> None:
    server.put("/x", BODY)
    target = tmp_path / "new" / "x.safetensors"
    assert all_of(wanted_from(server, size=len(BODY)), target, web) == []
    assert target.read_bytes() == BODY and os.listdir(target.parent) == [target.name]


@pytest.mark.parametrize("known", [{}, {"size": len(BODY)}, {"about": 250_000}, {"sha256": ""}])
@pytest.mark.parametrize("resets", [False, True])
def test_cuts_at_random_places_are_mended(
    server: Server, web: Web, tmp_path: Path, known: dict[str, Any], resets: bool
) -> None:
    for seed in range(4):
        places = random.Random(seed)
        server.put("/x", BODY, cuts=[places.randrange(0, 90_000) for _ in range(places.randrange(1, 4))], resets=resets)
        target = tmp_path / f"{seed}"
        all_of(wanted_from(server, **known), target, web)
        assert target.read_bytes() == BODY
    assert sorted(os.listdir(tmp_path)) == ["0", "1", "2", "3"]


def test_another_process_goes_on(server: Server, web: Web, tmp_path: Path) -> None:
    served = server.put("/x", BODY, cuts=[100_000], answers=[])
    target, wanted = tmp_path / "x", wanted_from(server)
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from easel.models.download.fetch import fetch\nfrom easel.models.download.wanted import Wanted\n"
        "from easel.models.download.web import Patience, Web\n"
        "with Web([], patience=Patience(tries=1)) as web:\n"
        "    list(fetch(Wanted(sys.argv[1], 'x', sha256=sys.argv[2]), Path(sys.argv[3]), web))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, wanted.url, DIGEST, str(target)], capture_output=True, text=True
    )
    assert "cut" in ran.stderr and not target.exists()
    assert part_of(target).stat().st_size == 100_000
    assert not served.cuts
    all_of(wanted, target, web)
    assert target.read_bytes() == BODY and ranges(server) == [None, "bytes=100000-"]
    assert server.asked[-1].headers["If-Range"] == '"first"'


def cut_short(server: Server, target: Path, web: Web, wanted: Wanted, at: int, **facts: Any) -> Served:
    """Leave a part of `at` bytes of the wanted file."""
    served = server.put("/x", BODY, cuts=[at], **facts)
    events = fetch(wanted, target, web)
    for event in events:
        if isinstance(event, Note):
            break
    events.close()
    assert part_of(target).stat().st_size == at
    server.asked.clear()
    return served


def test_a_file_that_has_changed_is_begun_anew(server: Server, web: Web, tmp_path: Path) -> None:
    target, plain = tmp_path / "x", wanted_from(server, sha256="")
    served = cut_short(server, target, web, plain, 1000)
    served.etag, served.content = '"second"', BODY[::-1]
    all_of(plain, target, web)
    assert target.read_bytes() == BODY[::-1]
    assert ranges(server) == ["bytes=1000-"]  # answered by the whole, status 200


def test_without_hash_and_etag_nothing_is_trusted(server: Server, web: Web, tmp_path: Path) -> None:
    target, plain = tmp_path / "x", wanted_from(server, sha256="")
    cut_short(server, target, web, plain, 1000, etag='W/"weak"')
    all_of(plain, target, web)
    assert target.read_bytes() == BODY and ranges(server) == [None]


def test_a_part_of_another_file_is_not_gone_on_with(server: Server, web: Web, tmp_path: Path) -> None:
    target = tmp_path / "x"
    cut_short(server, target, web, wanted_from(server, sha256="0" * 64), 1000)
    all_of(wanted_from(server), target, web)
    assert target.read_bytes() == BODY and ranges(server) == [None]


def test_a_spoilt_part_is_begun_anew_once(server: Server, web: Web, tmp_path: Path) -> None:
    target = tmp_path / "x"
    cut_short(server, target, web, wanted_from(server), 1000)
    part_of(target).write_bytes(bytes(1000))
    assert all_of(wanted_from(server), target, web) == ["the parts do not fit together; beginning anew"]
    assert target.read_bytes() == BODY


def test_a_part_that_is_whole_needs_no_request(server: Server, web: Web, tmp_path: Path) -> None:
    target, wanted = tmp_path / "x", wanted_from(server, size=len(BODY))
    cut_short(server, target, web, wanted, 1000)
    part_of(target).write_bytes(BODY)
    list(fetch(wanted, target, web))
    assert target.read_bytes() == BODY and server.asked == []


def test_a_server_without_ranges_sends_it_all_again(server: Server, web: Web, tmp_path: Path) -> None:
    server.put("/x", BODY, cuts=[100_000], ranges=False)
    all_of(wanted_from(server), tmp_path / "x", web)
    assert (tmp_path / "x").read_bytes() == BODY


def test_a_piece_that_was_not_asked_for_is_thrown_away(server: Server, web: Web, tmp_path: Path) -> None:
    server.put("/x", BODY, cuts=[100_000], shift=5)
    notes = all_of(wanted_from(server), tmp_path / "x", web)
    assert "another piece" in notes[1] and (tmp_path / "x").read_bytes() == BODY
    assert ranges(server) == [None, "bytes=100000-", None]


def test_a_server_that_never_sends_the_whole_is_left_in_the_end(server: Server, web: Web, tmp_path: Path) -> None:
    server.put("/x", BODY, announced=len(BODY) + 10)
    with pytest.raises(ResourceError, match="4 times without progress"):
        list(fetch(wanted_from(server, sha256=""), tmp_path / "x", web))
    assert not (tmp_path / "x").exists()
    assert len(server.asked) < 20


LIES: dict[str, tuple[dict[str, Any], dict[str, Any], type[EaselError], str]] = {
    "announces more": (
        {"announced": len(BODY) + 10},
        {"size": len(BODY)},
        Mismatch,
        "has 300010 bytes, it should have",
    ),
    "announces less": ({"announced": 10}, {"size": len(BODY)}, Mismatch, "has 10 bytes, it should have 300000"),
    "sends less": ({"announced": 10}, {}, Mismatch, "its SHA-256 is"),
    "sends more, unannounced": ({"chunked": True}, {"size": 1000}, Mismatch, "sends more than the 1000 bytes"),
    "is far larger": (
        {"chunked": True, "content": bytes(2**21)},
        {"about": 9},
        Mismatch,
        "sends more than the 1048594",
    ),
    "announces far more": ({"content": bytes(2**21)}, {"about": 9}, Mismatch, "it should have about 9"),
    "has another hash": ({}, {"sha256": "1" * 64}, Mismatch, "its SHA-256 is"),
    "has another git hash": ({}, {"sha256": "", "size": len(BODY), "blob": "1" * 40}, Mismatch, "its git hash is"),
    "is packed": ({"headers": {"Content-Encoding": "gzip"}}, {}, Mismatch, "packed as 'gzip'"),
    "is a page": ({"type": "text/html; charset=utf-8"}, {}, RequestError, "a web page came in place of the file"),
    "is a page that says nothing": ({"content": b"\n <!DOCTYPE html><p>"}, {}, RequestError, "a web page came"),
    "is not there": ({"status": 404, "content": b""}, {}, RequestError, "not there (the site answers 404)"),
    "is a teapot": ({"status": 418, "content": b""}, {}, ResourceError, "the site answers 418."),
    "is closed": (
        {"status": 403, "type": "application/json", "content": b'{"message": "Early access\\nonly"}'},
        {},
        RequestError,
        "the site answers 403: Early access only; your token does not open it",
    ),
    "wants money": ({"token": "another"}, {}, RequestError, "401: Log in first; your token does not open it"),
    "asks to wait": (
        {"answers": [429], "headers": {"Retry-After": "3600"}},
        {},
        ResourceError,
        "again in 3600 seconds",
    ),
    "is ill": ({"answers": [503] * 9}, {}, ResourceError, "the site answers 503, 4 times without progress"),
    "leads in a circle": ({"leads": "/x"}, {}, ResourceError, "the site leads in a circle"),
    "leads to its login": ({"leads": "/login?returnUrl=%2F"}, {}, RequestError, "leads to its login page"),
    "leads to a file": ({"leads": "file:///etc/passwd"}, {}, Unsafe, "file:///etc/passwd is where the site leads"),
    "leads to plain http": ({"leads": "http://example.org/x"}, {}, Unsafe, "which is not https"),
}


@pytest.mark.parametrize("case", LIES)
def test_a_server_that_lies_leaves_one_line_and_nothing_else(
    server: Server, web: Web, tmp_path: Path, case: str
) -> None:
    misdelivery, known, kind, line = LIES[case]
    server.put("/x", **{"content": BODY, **misdelivery})
    with pytest.raises(kind) as trouble:
        list(fetch(wanted_from(server, **known), tmp_path / "x", web))
    assert line in trouble.value.message and "\n" not in trouble.value.message
    assert "secret-token" not in trouble.value.message
    left = os.listdir(tmp_path)
    assert "x" not in left and left == []


@pytest.mark.parametrize("wait", ["1", "Wed, 21 Oct 2015 07:28:00 GMT", "nonsense"])
def test_a_busy_server_is_asked_again_when_it_says(server: Server, web: Web, tmp_path: Path, wait: str) -> None:
    server.put("/x", BODY, answers=[429, 503], headers={"Retry-After": wait})
    notes = all_of(wanted_from(server), tmp_path / "x", web)
    assert len(notes) == 2 and ("trying again in 1 s" in notes[0]) == (wait == "1")


def test_a_dead_server_is_given_up(web: Web, tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="cannot be reached"):
        list(fetch(Wanted("http://127.0.0.1:1/x", "x"), tmp_path / "x", web))
    assert nothing_left(tmp_path)


def test_a_token_goes_to_its_site_and_no_further(server: Server, other: Server, web: Web, tmp_path: Path) -> None:
    server.put("/x", token="secret-token", leads=f"{other.base}/signed?signature=abc")
    other.put("/signed", BODY, cuts=[50_000])
    notes = all_of(wanted_from(server), tmp_path / "x", web)
    assert {asking.token for asking in server.asked} == {"secret-token"}
    assert [asking.headers["Authorization"] for asking in other.asked] == [None, None]
    assert other.asked[1].headers["Range"] == "bytes=50000-"
    assert not any("signature" in note or "secret" in note for note in notes)


def test_a_token_does_not_come_back_through_another_host(
    server: Server, other: Server, web: Web, tmp_path: Path
) -> None:
    other.put("/start", leads=f"{server.base}/x")
    server.put("/x", BODY)
    all_of(wanted_from(other, url=f"{other.base}/start"), tmp_path / "x", web)
    assert other.asked[0].token == "" and server.asked[0].token == "secret-token"  # its own site, and nobody else


def test_no_secret_is_written_beside_the_file(server: Server, web: Web, tmp_path: Path) -> None:
    wanted = wanted_from(server, url=f"{server.base}/x?token=in-the-link", sha256="")
    cut_short(server, tmp_path / "x", web, wanted, 1000)
    texts = [path.read_bytes() for path in tmp_path.iterdir() if path.suffix == ".json"]
    assert len(texts) == 1 and b"in-the-link" not in texts[0] and b"secret" not in texts[0]


def test_plain_http_is_for_this_machine_alone(web: Web, tmp_path: Path) -> None:
    with pytest.raises(Unsafe, match="is asked for, which is not https"):
        list(fetch(Wanted("http://example.org/x?token=t", "x"), tmp_path / "x", web))


def test_two_downloads_do_not_write_one_part(server: Server, web: Web, tmp_path: Path) -> None:
    server.put("/x", BODY)
    with FileLock(tmp_path / "x.part.lock"), pytest.raises(StorageError, match="another download is writing it"):
        list(fetch(wanted_from(server), tmp_path / "x", web))
    all_of(wanted_from(server), tmp_path / "x", web)


def test_a_file_that_appears_meanwhile_is_not_replaced(server: Server, web: Web, tmp_path: Path) -> None:
    server.put("/x", BODY)
    (tmp_path / "x").write_bytes(b"mine")
    with pytest.raises(StorageError, match="meanwhile"):
        list(fetch(wanted_from(server), tmp_path / "x", web))
    assert (tmp_path / "x").read_bytes() == b"mine"
    all_of(wanted_from(server), tmp_path / "x", web, again=True)
    assert (tmp_path / "x").read_bytes() == BODY


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of file sizes")
def test_a_full_disk_is_one_line_and_the_part_stays(server: Server, tmp_path: Path) -> None:
    server.put("/x", BODY)
    script = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from easel.core.errors import StorageError\n"
        "from easel.models.download.fetch import fetch\nfrom easel.models.download.wanted import Wanted\n"
        "from easel.models.download.web import Web\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n    list(fetch(Wanted(sys.argv[1], 'x'), Path(sys.argv[2]), Web([])))\n"
        "except StorageError as error:\n    print(error.message)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, f"{server.base}/x", str(tmp_path / "x")], capture_output=True, text=True
    )
    assert "cannot be written (File too large)" in ran.stdout, ran.stderr
    assert sorted(os.listdir(tmp_path)) == ["x.part", "x.part.json"]
