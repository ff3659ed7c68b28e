"""Zips made while they are sent: every reader takes them, they hold what the files hold, and memory stays flat."""

from __future__ import annotations

import io
import os
import subprocess
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.jobs.zipping import CHUNK, MISSING, safe_part, zipped


def test_a_zip_holds_what_the_files_hold(tmp_path: Path) -> None:
    contents = {"a/1.png": b"", "a/2.png": b"x", "b/\N{CAT FACE} 고양이.png": os.urandom(3 * CHUNK + 17)}
    for number, data in enumerate(contents.values()):
        (tmp_path / str(number)).write_bytes(data)
    os.utime(tmp_path / "0", (0, 0))  # a zip knows no time before 1980
    pieces = list(zipped((name, tmp_path / str(number)) for number, name in enumerate(contents)))
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == contents
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
    assert max(len(piece) for piece in pieces) < 2 * CHUNK


def test_other_programs_read_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"fox" * 1000)
    (tmp_path / "all.zip").write_bytes(b"".join(zipped([("2026-11-21/fox.png", tmp_path / "file")])))
    folder = tmp_path / "out"
    ran = subprocess.run(["python3", "-m", "zipfile", "-e", str(tmp_path / "all.zip"), str(folder)], check=False)
    assert ran.returncode == 0 and (folder / "2026-11-21" / "fox.png").read_bytes() == b"fox" * 1000


def test_files_that_are_gone_are_named(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"here")
    (tmp_path / "folder").mkdir()
    files = [("1.png", tmp_path / "gone"), ("2.png", tmp_path / "there"), ("3.png", tmp_path / "folder")]
    with zipfile.ZipFile(io.BytesIO(b"".join(zipped(files)))) as archive:
        assert archive.namelist() == ["2.png", MISSING]
        said = archive.read(MISSING).decode().splitlines()
    assert said[1:] == ["1.png: no such file or directory", "3.png: is a directory"]


def test_nothing_is_a_zip_too() -> None:
    with zipfile.ZipFile(io.BytesIO(b"".join(zipped([])))) as archive:
        assert archive.namelist() == []


def test_files_are_closed_when_the_reader_goes_away(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(4 * CHUNK))
    before = len(os.listdir("/proc/self/fd"))
    pieces = zipped([("1.png", tmp_path / "file")])
    next(pieces)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    pieces.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_memory_does_not_grow_with_what_is_sent(tmp_path: Path) -> None:
    file = tmp_path / "sparse"
    with file.open("wb") as opened:
        opened.truncate(64 * 2**20)
    tracemalloc.start()
    size = sum(len(piece) for piece in zipped((f"{number}.png", file) for number in range(4)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 256 * 2**20 and peak < 8 * 2**20


def test_a_file_of_more_than_four_gib_is_announced_as_such(tmp_path: Path) -> None:
    from easel.jobs.zipping import entry_of

    file = tmp_path / "sparse"
    with file.open("wb") as opened:
        opened.truncate(5 * 2**30)
    assert entry_of("big", file.stat()).file_size == 5 * 2**30


@given(st.text(max_size=100))
def test_any_name_is_one_safe_part(text: str) -> None:
    part = safe_part(text)
    assert part not in ("", ".", "..") and not set(part) & set('/\\:*?"<>|\0') and len(part) <= 60


@pytest.mark.parametrize(("text", "part"), [("ann", "ann"), ("../x", "_x"), ("김 철수", "김_철수"), ("", "all")])
def test_names_stay_readable(text: str, part: str) -> None:
    assert safe_part(text) == part
