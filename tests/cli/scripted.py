"""A client that plays a script instead of running a model: the protocol of core/client.py with real pictures.

What a run does stands in its prompt: "fail" ends it for want of memory, "refuse" is not taken, "slow" waits at each
step, "deaf" too and cannot be cancelled, "loading" says so on stderr and never begins; everything else is drawn at
once.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator

from PIL import Image

from easel.core.client import Done, Event, Failed, Progressed, Queued, WasCancelled
from easel.core.errors import OutOfMemory, QueueFull, UnknownName
from easel.core.request import Request
from easel.core.result import Picture, Result
from easel.prompt.infotext import write

STEPS = 4


class ScriptedClient:
    """Takes at most `places` runs at a time; remembers what was asked."""

    def __init__(self, places: int = 1000, step_seconds: float = 0.05) -> None:
        self.places = places
        self.step_seconds = step_seconds
        self.requests: list[Request] = []
        self.closed = False
        self.most_at_once = 0
        self._open: dict[str, threading.Event] = {}

    def submit(self, request: Request) -> str:
        if len(self._open) >= self.places:
            raise QueueFull("no place now.")
        if "refuse" in request.prompt:
            raise UnknownName("model", "starer", ("starter",), listing="`easel models list`")
        self.requests.append(request)
        run = f"run-{len(self.requests)}"
        self._open[run] = threading.Event()
        self.most_at_once = max(self.most_at_once, len(self._open))
        return run

    def events(self, run: str) -> Iterator[Event]:
        request = self.requests[int(run.removeprefix("run-")) - 1]
        cancelled = self._open[run]
        yield Queued(0)
        last: Event = Done(drawn(request))
        steps = request.steps or STEPS
        if "loading" in request.prompt:
            print("loading", file=sys.stderr, flush=True)
            threading.Event().wait()
        for step in range(steps + 1):
            if "deaf" in request.prompt:
                time.sleep(self.step_seconds)
            elif "slow" in request.prompt:
                cancelled.wait(self.step_seconds)
            if cancelled.is_set() and "deaf" not in request.prompt:
                last = WasCancelled()
                break
            yield Progressed(step, steps, step, 0.1 * step)
        if "fail" in request.prompt:
            last = Failed(OutOfMemory(2 * 2**30, 2**30, "ask for a smaller picture"))
        del self._open[run]
        yield last

    def cancel(self, run: str) -> None:
        if run in self._open:
            self._open[run].set()

    def close(self) -> None:
        self.closed = True
        for event in list(self._open.values()):
            event.set()


def drawn(request: Request) -> Result:
    """Return the pictures of a request, each a plain colour, with an honest infotext."""
    size = (request.width or 64, request.height or 64)
    pictures: list[Picture] = []
    for seed in request.seeds:
        text = write(
            request.prompt,
            request.negative_prompt,
            {
                "Steps": request.steps or STEPS,
                "Sampler": request.sampler or "Euler",
                "Seed": seed,
                "Size": f"{size[0]}x{size[1]}",
            },
        )
        pictures.append(Picture(Image.new("RGB", size, (seed % 256, 40, 90)), seed, text))
    return Result(tuple(pictures), evaluations=request.steps or STEPS, seconds=0.5)
