"""A server under load that is killed at fifty random moments: what was promised, and what is there afterwards.

A scripted engine stands for the real one, so that the queue has more to do than it ever will.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from rich.console import Console
from rich.table import Table

from tests.jobs.ordeal import Tally, ordeal

KILLS = 50
JOBS = 1000


def main() -> None:
    """Print one line for one server, and one for two on the same queue."""
    table = Table("servers", *Tally._fields, "s")
    for servers in (1, 2):
        with TemporaryDirectory() as folder:
            began, url = perf_counter(), f"sqlite:///{folder}/jobs.sqlite"
            tally = ordeal(url, Path(folder) / "album", kills=KILLS, jobs=JOBS, seed=servers, beside=servers == 2)
            table.add_row(str(servers), *map(str, tally), f"{perf_counter() - began:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
