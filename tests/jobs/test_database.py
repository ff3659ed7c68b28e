"""A database that is locked, full, foreign or away says so in one line, and loses nothing."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from easel.core.errors import BadValue, StorageError
from easel.core.request import Request
from easel.jobs.store import Store, open_store

CAT = Request(prompt="a cat", seed=7)


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "jobs.sqlite", "sqlite://", "sqlite:///:memory:", "u:secret@"])
def test_a_url_that_is_none_of_ours_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(BadValue, match=r"^queue is ") as caught:
        open_store(url)
    assert "secret" not in caught.value.message


def test_a_server_that_is_away_is_named_without_its_password() -> None:
    with pytest.raises(StorageError, match=r"easel:\*\*\*@127.0.0.1:1/none.*see that the database") as caught:
        open_store("postgresql://easel:secret@127.0.0.1:1/none")
    assert "secret" not in caught.value.message
    assert "\n" not in caught.value.message


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("my notes " * 1000)
    with pytest.raises(StorageError, match=r"notes.txt: file is not a database; name another file"):
        open_store(f"sqlite:///{file}")
    assert file.read_text() == "my notes " * 1000


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        open_store(f"sqlite:///{tmp_path}/file/jobs.sqlite")


def test_another_layout_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/jobs.sqlite"
    open_store(url).close()
    base = sqlite3.connect(tmp_path / "jobs.sqlite")
    base.execute("UPDATE easel_layout SET number = 99")
    base.commit()
    base.close()
    with pytest.raises(StorageError, match="layout 99, this Easel reads 1"):
        open_store(url)


def test_a_locked_database_is_waited_for_and_then_said_to_be_locked(
    tmp_path: Path, opened: Callable[..., Store]
) -> None:
    url = f"sqlite:///{tmp_path}/jobs.sqlite"
    patient, hasty = opened(url, patience=20.0), opened(url, patience=0.05)
    other = sqlite3.connect(tmp_path / "jobs.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageError, match="locked; another program holds it"):
        hasty.submit(CAT)
    assert hasty.list() == []  # in this mode a writer does not keep readers out
    waiting = threading.Thread(target=lambda: patient.submit(CAT, id="waited"))
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive()
    other.execute("COMMIT")
    other.close()
    waiting.join()
    assert hasty.get("waited").state == "queued"


def test_postgresql_in_other_hands_is_waited_for_and_then_said_to_be_locked(
    server: str, opened: Callable[..., Store]
) -> None:
    first, hasty = opened(server), opened(server, patience=0.05)
    with first._base.writing(), pytest.raises(StorageError, match="lock timeout; another program holds it"):
        hasty.submit(CAT)


FILLING = """
import resource, sys
from easel.core.errors import StorageError
from easel.core.request import Request
from easel.jobs.store import open_store

store = open_store(sys.argv[1])
store.submit(Request(prompt="before"), id="before")
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
kept = []
for number in range(100):
    try:
        kept.append(store.submit(Request(prompt="x" * 10_000), id=f"n{number}").id)
    except StorageError as error:
        print("refused", error)
        break
assert sorted(job.id for job in store.list(limit=1000)) == sorted(["before", *kept])
print("kept", len(kept))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print("after", store.submit(Request(prompt="after"), id="after").state)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="this system sets no limit on files")
def test_a_full_disk_refuses_what_it_cannot_keep_and_keeps_what_it_took(
    tmp_path: Path, opened: Callable[..., Store]
) -> None:
    url = f"sqlite:///{tmp_path}/jobs.sqlite"
    ran = subprocess.run([sys.executable, "-c", FILLING, url], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    refused, kept, after = ran.stdout.splitlines()
    assert refused.startswith("refused cannot write the queue")
    assert after == "after queued"
    number = int(kept.removeprefix("kept "))
    assert number > 0
    wanted = {"before", "after", *(f"n{one}" for one in range(number))}
    assert {job.id for job in opened(url).list(limit=1000)} == wanted


def test_tables_and_indexes_that_an_earlier_easel_did_not_have_are_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/jobs.sqlite"
    store = open_store(url)
    job = store.submit(CAT)
    store.close()
    base = sqlite3.connect(tmp_path / "jobs.sqlite")
    for table in ("favourites", "leavings", "options", "repeats"):
        base.execute(f"DROP TABLE {table}")
    base.execute("DROP INDEX jobs_of_states")
    base.commit()
    store = open_store(url)
    store.set_options("anna", "page", {"theme": "dark"})
    assert store.get(job.id) == job and store.leavings() == [] and store.list(favourites=True) == []
    store.close()
    assert base.execute("SELECT count(*) FROM sqlite_master WHERE name = 'jobs_of_states'").fetchone() == (1,)
    base.close()
