"""A PostgreSQL server of the test's own, as Debian installs it, on loopback and gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, the newest where there are several; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    named = shutil.which("initdb")
    return Path(named).parent if named else None


def why_not() -> str | None:
    """Return why no server can be started here, None where one can."""
    if programs() is None:
        return "PostgreSQL is not installed (Debian: apt-get install postgresql)"
    if os.geteuid() == 0 and servant() is None:
        return "PostgreSQL does not run as root, and there is no user postgres"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "psycopg is not installed (pip install 'easel[postgres]')"
    return None


def servant() -> int | None:
    """Return the user under whom the server runs in place of root."""
    try:
        return pwd.getpwnam("postgres").pw_uid
    except KeyError:
        return None


@contextmanager
def running() -> Iterator[str]:
    """Start a server with an empty cluster and give the URL of its database."""
    bin, uid = programs(), servant() if os.geteuid() == 0 else os.geteuid()
    assert bin is not None and uid is not None
    folder = Path(tempfile.mkdtemp(prefix="easel-postgres-", dir="/tmp"))  # short, for sockets have short names
    os.chown(folder, uid, -1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    small = "-c shared_buffers=16MB -c fsync=off"  # the machine will not lose its power in a test
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} {small}"
    data, log = folder / "data", folder / "log"
    try:
        made = ("--auth=trust", "--username=easel", "--no-sync", "--encoding=UTF8", "--locale=C")
        asked(uid, bin / "initdb", "-D", data, *made)
        asked(uid, bin / "pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start")
        yield f"postgresql://easel@127.0.0.1:{port}/postgres"
    finally:
        asked(uid, bin / "pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)


def asked(uid: int, *command: str | Path) -> None:
    """Run a command as the server's user."""
    subprocess.run(
        [str(part) for part in command],
        check=True,
        user=uid if os.geteuid() == 0 else None,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=60,
    )
