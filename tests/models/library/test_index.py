"""The index: a cache that may be lost, broken, foreign or shared at any time."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from easel.core.errors import Incomplete, ModelError
from easel.core.settings import read_settings
from easel.models.layouts.identify import identify
from easel.models.library import index
from easel.models.library.index import Hashed, Row, index_file
from easel.models.library.indexing import identity_in, read, reader
from easel.models.library.names import Library
from easel.models.library.places import scan
from easel.models.library.watching import Watch
from tests.ldm import SMALL_1, SMALL_2, random_tensors, write_ldm


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The index's file, in a folder that is not there yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return index_file()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of checkpoints, a LoRA, an embedding and a damaged file."""
    folder = tmp_path_factory.mktemp("models")
    tensors = random_tensors(SMALL_1)
    write_ldm(folder / "one.safetensors", tensors)
    write_ldm(folder / "two.safetensors", random_tensors(SMALL_2))
    write_ldm(folder / "bare.safetensors", {key: one for key, one in tensors.items() if key.startswith("model.")})
    (folder / "loras").mkdir()
    write_ldm(folder / "loras" / "ink.safetensors", {"lora_unet_x.alpha": tensors["betas"]})
    (folder / "damaged.safetensors").write_bytes(b"x")
    return folder


@pytest.fixture
def models(written: Path, tmp_path: Path) -> Path:
    """A copy of them that a test may change."""
    return Path(shutil.copytree(written, tmp_path / "models"))


def row(path: str = "/x", message: str = "") -> Row:
    return Row(path, 1, 2, "us", "lora", "sd", "LoRA", "{}", "", message)


def listed(folder: Path) -> list[tuple[str, str, str]]:
    """What a new library lists of a folder without reading anything."""
    entries = Library(read_settings(models=folder)).entries(within=0)
    return [(one.kind, one.name, one.row.words if one.row else "unread") for one in entries if one.name != "starter"]


def test_rows_come_back_as_they_went_in() -> None:
    assert index.rows("us") == []
    index.keep([row("/a"), row("/b", "said")])
    assert index.rows("us") == [row("/a"), row("/b", "said")] and index.rows("others") == []
    index.keep([row("/a", "again")], gone=["/b"])
    assert index.rows("us") == [row("/a", "again")] and index.paths() == ["/a"]


def test_hashes_come_back_by_path_and_by_their_beginning() -> None:
    one, two = Hashed("/a", 1, 2, "ab" * 32), Hashed("/b", 1, 2, "ac" * 32)
    index.keep_hashes([one, two])
    assert index.hashes_of(["/b", "/c"]) == {"/b": two}
    assert index.hashes_like("ab") == [one] and index.hashes_like("a") == [one, two] and index.hashes_like("f") == []
    index.keep([], gone=["/a"])
    assert index.hashes_like("a") == [two]


@pytest.mark.parametrize("content", [b"no database at all", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_broken_index_is_made_anew(cache: Path, content: bytes) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_bytes(content)
    index.keep([row()])
    assert index.rows("us") == [row()]


def test_another_program_s_database_is_replaced(cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    base = sqlite3.connect(cache)
    base.execute("CREATE TABLE files (other)")
    base.commit()
    base.close()
    index.keep([row()])
    assert index.rows("us") == [row()]


def test_an_index_cut_short_is_made_anew(cache: Path, models: Path) -> None:
    Library(read_settings(models=models)).entries(within=None)
    whole = cache.read_bytes()
    cache.write_bytes(whole[: len(whole) // 2])
    names = [name for _, name, _ in listed(models) if not name.startswith("starter")]
    assert names == ["bare", "damaged", "one", "two", "ink"]
    Library(read_settings(models=models)).entries(within=None)
    assert "unread" not in {words for _, _, words in listed(models)}


def test_without_an_index_everything_works(cache: Path, models: Path) -> None:
    cache.parent.parent.write_text("a file where the folder should be")
    library = Library(read_settings(models=models))
    usable, broken = library.identities()
    assert {"one", "two"} <= {identity.name for identity in usable} and len(broken) == 1
    assert listed(models)[0][2] == "unread"  # nothing was kept for the next


def test_a_locked_index_is_done_without(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "PATIENCE", 0.05)
    index.keep([row("/a")])
    base = sqlite3.connect(cache, isolation_level=None)
    base.execute("BEGIN EXCLUSIVE")
    try:
        index.keep([row("/b")])
        assert index.rows("us") == [row("/a")]  # readers do not wait for writers
    finally:
        base.execute("ROLLBACK")
        base.close()
    assert index.rows("us") == [row("/a")]


def test_names_that_are_no_text_are_not_kept() -> None:
    index.keep([row("/\udcff"), row("/a")], gone=["/\udcff"])
    index.keep_hashes([Hashed("/\udcff", 1, 2, "ab" * 32)])
    assert index.rows("us") == [row("/a")] and index.hashes_of(["/\udcff"]) == {}


def test_what_is_kept_is_what_was_read(written: Path) -> None:
    for found in scan(written, ()).found:
        kept = read(found)
        try:
            identity = identify(Path(found.path), "shown")
        except ModelError as error:
            with pytest.raises(type(error)) as again:
                identity_in(kept, "shown")
            assert again.value.message == error.message
        else:
            assert identity_in(kept, "shown") == identity


def test_a_list_reads_nothing_that_was_read(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {words for _, _, words in listed(models)} == {"unread"}
    Library(read_settings(models=models)).entries(within=None)
    monkeypatch.setattr("easel.models.library.indexing.identify", None)
    known = listed(models)
    assert ("lora", "ink") in [one[:2] for one in known] and ("denoiser", "bare") in [one[:2] for one in known]
    assert "unread" not in {words for _, _, words in known}
    assert {one.name for one in Library(read_settings(models=models)).identities()[0]} >= {"one", "two"}


def test_changed_files_are_read_again_and_lost_ones_forgotten(models: Path) -> None:
    library = Library(read_settings(models=models))
    library.entries(within=None)
    shutil.copy(models / "two.safetensors", models / "one.safetensors")
    (models / "damaged.safetensors").unlink()
    library.refresh()
    entries = {one.name: one for one in library.entries("checkpoint", within=None)}
    identity = entries["one"].identity()
    assert identity is not None and identity.variant == "2.x"
    assert "damaged" not in entries and str(models / "damaged.safetensors") not in index.paths()


def test_a_drive_that_is_away_is_remembered(models: Path) -> None:
    library = Library(read_settings(models=models))
    library.entries(within=None)
    models.rename(models.with_name("away"))
    assert "ink" not in {one.name for one in library.entries("lora", within=None)}
    models.with_name("away").rename(models)
    assert "unread" not in {words for _, _, words in listed(models)}


def test_other_code_reads_anew(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Library(read_settings(models=models)).entries(within=None)
    monkeypatch.setattr("easel.models.library.catalogue.reader", lambda: f"{reader()} changed")
    assert {words for _, _, words in listed(models)} == {"unread"}


def test_time_for_reading_is_kept_to(models: Path) -> None:
    entries = Library(read_settings(models=models)).entries(within=1e-9)
    assert [one.row for one in entries] == [None] * len(entries)


def test_reading_goes_on_where_it_was_left(models: Path) -> None:
    first = Library(read_settings(models=models)).read()
    taken = next(first)
    first.close()  # type: ignore[attr-defined]
    assert [one.path for one in index.rows(reader())] == [taken.path]
    left = list(Library(read_settings(models=models)).read())
    assert taken.path not in [one.path for one in left] and len(left) >= 4


@pytest.fixture
def watch(models: Path) -> Iterator[Library]:
    library = Library(read_settings(models=models))
    watching = Watch(library, every=0.01)
    yield library
    watching.close()


def test_new_files_are_read_in_the_background(watch: Library, models: Path) -> None:
    shutil.copy(models / "one.safetensors", models / "late.safetensors")
    for _ in range(1000):
        entries = watch.entries()
        if all(one.row for one in entries) and "late" in [one.name for one in entries]:
            return
        time.sleep(0.01)
    raise AssertionError("not read in ten seconds")


def test_two_processes_at_once(models: Path) -> None:
    program = (
        "import sys; from easel.core.settings import read_settings; from easel.models.library.names import Library\n"
        "from easel.models.library import index\n"
        "for place in range(40):\n"
        "    index.keep([index.Row(f'/{sys.argv[1]}/{place}', 1, 2, 'us', *['x'] * 6)])\n"
        "library = Library(read_settings(models=sys.argv[2]))\n"
        "sys.exit(sum(one.row.fault == 'Incomplete' for one in library.entries(within=None) if one.row) != 1)"
    )
    started = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", program, str(one), str(models)]) for one in range(2)
    ]
    assert [one.wait() for one in started] == [0, 0]
    assert len(index.rows("us")) == 80
    assert {found.path for found in scan(models, ()).found} < set(index.paths())


def test_a_foreign_fault_is_still_a_model_error() -> None:
    with pytest.raises(Incomplete, match="said"):
        identity_in(Row("/x", 1, 2, "us", "", "", "", "", "Incomplete", "said"), "x")
    with pytest.raises(ModelError, match="said"):
        identity_in(Row("/x", 1, 2, "us", "", "", "", "", "Unheard", "said"), "x")


def test_no_home_no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")

    def homeless(*_: object) -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", homeless)
    index.keep([row()])
    assert index.rows("us") == []


def test_the_index_does_not_grow_connections(models: Path) -> None:
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no /proc here")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        index.keep([row()])
        index.rows("us")
    assert len(os.listdir("/proc/self/fd")) == before
