"""What a processor's short numbers change in a picture: the starter in bfloat16 beside itself in float32.

The same requests with the same seeds, each alone; PSNR of the finished pictures. "unfused" is torch's own layers in
bfloat16, without those of models/cpu/. `python -m benchmarks.formats`.
"""

from __future__ import annotations

from statistics import median
from typing import Any

from easel.core.settings import read_settings
from easel.models.vendor import answer_mkl

if __name__ == "__main__" and read_settings().answer_mkl:
    answer_mkl()  # before torch, as easel.app does it

from PIL.Image import Image
from rich.console import Console
from rich.table import Table

from easel.core.client import Done, Event
from easel.core.request import Request
from easel.engine.engine import Engine
from easel.media.compare import difference
from easel.models.family import load
from easel.models.layouts.identify import identify
from easel.models.library.names import STARTER
from easel.recipes import recipes

WORDS = (
    "a fox",
    "an apple on a blue background",
    "a cat and a dog",
    "pixel art of a frog",
    "a rocket on a black background",
    "로봇",
    "a castle at night",
    "a crown, green background",
)
SAMPLERS = ("DPM++ 2M", "Euler a")


def pictures(sampler: str, **settings: Any) -> list[Image]:
    """Return a picture for each of WORDS."""
    model, found = load(identify(STARTER), read_settings(device="cpu", **settings)), list[Image]()
    for seed, prompt in enumerate(WORDS):
        endings: list[Event] = []
        engine = Engine()
        request = Request(prompt=prompt, seed=seed, steps=20, sampler=sampler)
        engine.add("one", recipes["text_to_image"].make(request, model), endings.append)
        while engine.step():
            pass
        assert isinstance(endings[-1], Done), endings[-1]
        found.append(endings[-1].result.pictures[0].image)
    return found


def main() -> None:
    """Print the table."""
    table = Table(title=f"bfloat16 beside float32: PSNR of {len(WORDS)} pictures of the starter, 20 steps")
    for heading in ("sampler", "median", "worst", "unfused, median", "worst"):
        table.add_column(heading, justify="right")
    for sampler in SAMPLERS:
        exact = pictures(sampler, precision="float32")
        cells: list[str] = []
        for fused in (True, False):
            short = pictures(sampler, precision="bfloat16", fused=fused)
            figures = [found.psnr for a, b in zip(short, exact, strict=True) if (found := difference(a, b))]
            cells += [f"{median(figures):.1f} dB", f"{min(figures):.1f} dB"]
        table.add_row(sampler, *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
