"""A server as people start it, in a process and a folder of its own, for programs that measure one."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from urllib.request import urlopen

import psutil

MOST_FILES = 8192  # a thousand clients are a thousand sockets at both ends


@dataclass(frozen=True, slots=True)
class Started:
    """A running `easel serve`. seconds: from its start until it listened."""

    url: str
    process: subprocess.Popen[str]
    seconds: float

    @property
    def processor(self) -> float:
        """Processor seconds that it has used."""
        used = psutil.Process(self.process.pid).cpu_times()
        return used.user + used.system

    def metric(self, name: str) -> float:
        """Return what /v1/metrics tells by a name with its labels; 0 where it does not tell it yet."""
        with urlopen(f"{self.url}/v1/metrics", timeout=60) as answer:
            text = answer.read().decode()
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found.group(1)) if found else 0.0


@contextmanager
def started(folder: Path, *options: str) -> Generator[Started]:
    """Start `easel serve` with the embedded model, its files in a folder; killed without warning at the end."""
    began = perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "easel.cli", "serve", "--port", "0", *options],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = re.search(r"https?://\S+", line)
        if url is None:
            raise RuntimeError(f"`easel serve` does not listen: {line or 'it has ended'}")
        yield Started(url.group(), process, perf_counter() - began)
    finally:
        process.kill()
        process.wait()


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of an Easel that keeps everything in a folder."""
    own = {f"EASEL_{name.upper()}": str(folder / name) for name in ("models", "outputs")}
    return {**{name: text for name, text in os.environ.items() if not name.startswith("EASEL_")}, **own}


def more_files() -> None:
    """Let this process, and those it starts, open enough files."""
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if most == resource.RLIM_INFINITY else min(MOST_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(least, wanted), most))
