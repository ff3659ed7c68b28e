"""How long a person waits: `easel --help`, and a cold process to its first starter picture."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from statistics import median
from time import perf_counter

from rich.console import Console
from rich.table import Table

ROUNDS = 5


def seconds(*arguments: str) -> list[float]:
    """Return the wall seconds of `easel ARGUMENTS`, a fresh process each time, after one that warms the disk."""
    times: list[float] = []
    for _ in range(ROUNDS + 1):
        began = perf_counter()
        subprocess.run([sys.executable, "-m", "easel.cli", *arguments], check=True, capture_output=True)
        times.append(perf_counter() - began)
    return times[1:]


def main() -> None:
    """Print the table."""
    table = Table(title=f"cold processes, {ROUNDS} rounds")
    for heading in ("command", "goal s", "median s", "least s"):
        table.add_column(heading, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        for goal, arguments in (
            ("0.3", ("--help",)),
            ("6", ("txt2img", "a fox", "--steps", "20", "--seed", "1", "--out", folder)),
        ):
            times = seconds(*arguments)
            table.add_row(f"easel {arguments[0]}", goal, f"{median(times):.2f}", f"{min(times):.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
