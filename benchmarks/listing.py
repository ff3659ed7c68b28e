"""How long a list of models takes: ten thousand files with and without the index, in one process.

Writes sparse files with real headers into a folder of its own, and takes them away again.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import tempfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter, process_time, sleep

from rich.console import Console
from rich.table import Table

from easel.core.settings import read_settings
from easel.models.library.names import Library
from easel.models.library.places import UNSETTLED

FOLDERS = 40
SAMPLE = 300  # files that are read to tell how long all would take
ROUNDS = 7


def header() -> tuple[bytes, int]:
    """Return the header of a LoRA of 128 tensors, and the bytes of its file."""
    tensors = {
        f"lora_unet_down_blocks_{place}_attentions_0_proj_in.{half}.weight": {
            "dtype": "F16",
            "shape": [32, 320],
            "data_offsets": [(2 * place + second) * 20480, (2 * place + second + 1) * 20480],
        }
        for place in range(64)
        for second, half in enumerate(("lora_down", "lora_up"))
    }
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text, 8 + len(text) + 128 * 20480


def write_files(folder: Path, count: int) -> None:
    """Write `count` sparse files into folders of a models folder."""
    head, size = header()
    for place in range(count):
        home = folder / "loras" / f"set{place % FOLDERS:02}"
        home.mkdir(parents=True, exist_ok=True)
        with (home / f"style_{place:05}.safetensors").open("wb") as opened:
            opened.write(head)
            opened.truncate(size)


def milliseconds(what: Callable[[], object], rounds: int = ROUNDS) -> tuple[float, float]:
    """Return the median time of a call, and the least of the processor, which other programs disturb less."""
    times: list[tuple[float, float]] = []
    for _ in range(rounds):
        wall, processor = perf_counter(), process_time()
        what()
        times.append((1000 * (perf_counter() - wall), 1000 * (process_time() - processor)))
    return median(wall for wall, _ in times), min(processor for _, processor in times)


def refreshed(library: Library) -> None:
    """List after a look at every file."""
    library.refresh()
    library.entries()


def main() -> None:
    """Print the table; the first argument is how many files, 10,000 without."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        write_files(folder / "models", count)
        settings = read_settings(models=folder / "models", model_folders=())
        library = Library(settings)
        sample = milliseconds(lambda: [*islice(library.read(), min(SAMPLE, count))], 1)
        wall, processor = (time / min(SAMPLE, count) * count for time in sample)
        for _ in library.read():
            pass
        sleep(UNSETTLED / 1e9)  # folders that have just changed are walked every time
        rows: list[tuple[str, tuple[float, float]]] = [
            ("every header read, as without an index", (wall, processor)),
            ("a fresh library's list: folders, files, index", milliseconds(lambda: Library(settings).entries())),
            ("its list with every file looked at again", milliseconds(lambda: refreshed(library))),
            ("its list within two seconds of that", milliseconds(library.entries)),
            ("one name found", milliseconds(lambda: library.where("style_00007", "lora"))),
            ("names of embeddings, as at every submit", milliseconds(library.embeddings)),
        ]
    table = Table(title=f"{count:,} files in {FOLDERS} folders, {ROUNDS} rounds")
    for heading in ("what", "median ms", "least processor ms", "processor ratio"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for what, (middle, least) in rows:
        table.add_row(what, f"{middle:,.1f}", f"{least:,.1f}", f"{processor / least:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
