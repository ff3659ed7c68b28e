"""./easel.sh on machines that lack something: one line that says what to do, and nothing half-made taken for good."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.scripts.conftest import House, Ran, build_house, ended, pack

pytestmark = pytest.mark.skipif(os.name != "posix", reason="shell scripts")

TOOLS = ("awk", "cat", "cksum", "cut", "df", "dirname", "du", "find", "flock", "grep", "ls", "mkdir", "readlink", "rm")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder for PATH with the everyday tools and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("sh", *TOOLS):
        if found := shutil.which(tool):
            (folder / tool).symlink_to(found)
    return folder


def put(folder: Path, name: str, script: str) -> None:
    """Write a program into a folder of PATH."""
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


OLD = 'case "$2" in *platform*) echo Python 3.9.2 ;; *) exit 1 ;; esac'
WITHOUT_VENV = f'case "$2" in *ensurepip*) exit 1 ;; *) exec "{sys.executable}" "$@" ;; esac'


def test_without_python(house: House, bare: Path) -> None:
    ran = house.run("--help", PATH=str(bare))
    assert ran.code == 1
    assert ran.err.startswith("easel: Python 3.11 or newer is needed, found none; install it (Debian, Ubuntu: apt ")
    assert ran.err.count("\n") == 1
    assert ran.out == ""


def test_with_an_old_python(house: House, bare: Path) -> None:
    put(bare, "python3", OLD)
    ran = house.run("--help", PATH=str(bare))
    assert ran.code == 1
    assert "Python 3.11 or newer is needed, found Python 3.9.2; install it" in ran.err
    assert ran.err.count("\n") == 1


def test_a_newer_python_by_its_full_name_is_taken_and_its_venv_module_asked_for(house: House, bare: Path) -> None:
    put(bare, "python3", OLD)
    put(bare, "python3.12", WITHOUT_VENV)
    ran = house.run("--help", PATH=str(bare))
    assert ran.code == 1
    assert (
        "python3.12 comes without its venv module; install it (Debian, Ubuntu: apt install python3.12-venv)" in ran.err
    )
    assert ran.err.count("\n") == 1


def test_with_a_full_disk(house: House, bare: Path) -> None:
    put(bare, "python3", f'exec "{sys.executable}" "$@"')
    (bare / "df").unlink()
    put(bare, "df", "echo Filesystem 1024-blocks Used Available Capacity Mounted; echo disk 99999 87711 12288 88% /")
    ran = house.run("--help", PATH=str(bare))
    assert ran.code == 1
    assert "is too full: 12 MiB are free, an install takes about 2000; make room" in ran.err
    assert ran.err.count("\n") == 1
    assert not (house.venv / "bin").exists()


def test_a_folder_with_something_else_is_left_alone(house: House, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    ran = house.run(EASEL_VENV=str(tmp_path / "mine"))
    assert ran.code == 1
    assert "holds something else than a virtual environment; name another folder in EASEL_VENV" in ran.err
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_a_folder_that_cannot_be_made(house: House, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ran = house.run(EASEL_VENV=str(tmp_path / "file" / "venv"))
    assert ran.code == 1
    assert "cannot be written; name a folder in EASEL_VENV" in ran.err


def test_a_folder_by_half_its_path(house: House) -> None:
    assert "EASEL_VENV is 'env', allowed is a full path." in house.run(EASEL_VENV="env").err


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[House, list[Ran]]:
    """A checkout whose first two calls came at the same time."""
    house = build_house(tmp_path_factory.mktemp("made"))
    both = [house.start("txt2img", f"a fox {i}") for i in range(2)]
    return house, [ended(process) for process in both]


def test_two_first_calls_at_once_both_draw_and_one_installs(made: tuple[House, list[Ran]]) -> None:
    _, both = made
    assert [ran.code for ran in both] == [0, 0], both
    assert [ran.out for ran in both] == ["drew txt2img a fox 0\n", "drew txt2img a fox 1\n"]
    assert sum("Successfully installed torch-2.13.0" in ran.err for ran in both) == 1
    assert sum("another process is installing; waiting for it" in ran.err for ran in both) == (
        1 if shutil.which("flock") else 0
    )


def test_later_calls_start_without_pip_from_any_folder(made: tuple[House, list[Ran]], tmp_path: Path) -> None:
    house, _ = made
    (pip,) = house.venv.glob("lib/python*/site-packages/pip")
    pip.rename(pip.with_name("no pip"))
    (tmp_path / "easel").symlink_to(house.folder / "easel.sh")
    ran = house.run("--help", "two words")
    pip.with_name("no pip").rename(pip)
    assert ran == Ran(0, "drew --help two words\n", "")


def test_without_network_the_line_says_so_and_the_next_call_goes_on(made: tuple[House, list[Ran]]) -> None:
    house, _ = made
    (house.folder / "constraints.txt").write_text("torch==2.13.1\nhatchling==1.0\n")
    nobody_listens = "http://127.0.0.1:9/"
    ran = house.run("--help", PIP_NO_INDEX="", PIP_INDEX_URL=nobody_listens, PIP_FIND_LINKS="", PIP_RETRIES="1")
    assert ran.code == 1
    assert "easel: the package index could not be reached; check the network" in ran.last_line
    (house.folder / "constraints.txt").write_text("torch==2.13.0\nhatchling==1.0\n")
    assert house.run("again").out == "drew again\n"


def test_torch_comes_from_an_index_of_its_own(made: tuple[House, list[Ran]], tmp_path: Path) -> None:
    asked: list[str] = []

    class Index(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(self.path.strip("/").split("/")[0])

    house, _ = made
    (tmp_path / "torch").mkdir()
    pack(tmp_path / "torch", "torch", "2.13.3", {"torch.py": ""})
    (house.folder / "constraints.txt").write_text("torch==2.13.3\nhatchling==1.0\n")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Index, directory=str(tmp_path))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        ran = house.run("there", PIP_NO_INDEX="", EASEL_TORCH_INDEX=f"http://127.0.0.1:{server.server_port}/")
        server.shutdown()
    assert ran.out == "drew there\n", ran.err
    assert "Successfully installed torch-2.13.3" in ran.err
    assert set(asked) == {"torch"}


@pytest.fixture
def silent_index() -> Iterator[socket.socket]:
    """A package index that takes calls and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        yield server


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_install_goes_on_next_time(
    made: tuple[House, list[Ran]], silent_index: socket.socket, kind: signal.Signals
) -> None:
    house, _ = made
    (house.folder / "constraints.txt").write_text(f"torch==2.13.2\nhatchling==1.0\n# {kind.name}\n")
    process = house.start(
        PIP_NO_INDEX="", PIP_INDEX_URL=f"http://127.0.0.1:{silent_index.getsockname()[1]}/", PIP_FIND_LINKS=""
    )
    connection, _ = silent_index.accept()
    os.killpg(process.pid, kind)
    ran = ended(process)
    connection.close()
    assert ran.code != 0
    assert not list(house.venv.glob("installed*"))
    if kind is signal.SIGINT:
        assert ran.code in (-signal.SIGINT, 130)  # as shells tell it, with easel.sh's own sh stopped as well
        assert ran.last_line == "easel: stopped; the same command goes on with what was downloaded."
    (house.folder / "constraints.txt").write_text(f"torch==2.13.0\nhatchling==1.0\n# {kind.name}\n")
    again = house.run("again")
    assert again.out == "drew again\n"
    made_anew = "installing into" in again.err
    assert made_anew == (kind is signal.SIGKILL)
