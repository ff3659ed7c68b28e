"""An engine's client for the queue's tests, from many threads at once: real pictures, no torch.

What a run does stands in its prompt: "fail" ends it for want of memory, "refuse" is not taken, "break" raises in its
events, "wait" goes on until it is cancelled; all others take `steps` steps of `pace` seconds. What has "too late" in
it is finished although it was cancelled.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

from PIL import Image

from easel.core.client import AS_USUAL, Done, Event, Failed, Previewed, Progressed, Queued, Terms, WasCancelled
from easel.core.errors import OutOfMemory, QueueFull, UnknownName
from easel.core.request import Request
from easel.core.result import Picture, Result


class Player:
    """Takes at most `places` runs at a time; remembers on which terms it was asked what."""

    def __init__(self, *, places: int = 1000, pace: float = 0.0) -> None:
        self.places = places
        self.pace = pace
        self.asked: list[tuple[Request, Terms]] = []
        self.most_at_once = 0
        self._stops: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def submit(self, request: Request, terms: Terms = AS_USUAL) -> str:
        with self._lock:
            if len(self._stops) >= self.places:
                raise QueueFull("no place now.")
            if "refuse" in request.prompt:
                raise UnknownName("model", "starer", ("starter",), listing="`easel models list`")
            run = f"run-{len(self.asked)}"
            self.asked.append((request, terms))
            self._stops[run] = threading.Event()
            self.most_at_once = max(self.most_at_once, len(self._stops))
        return run

    def events(self, run: str) -> Iterator[Event]:
        request, stop = self.asked[int(run.removeprefix("run-"))][0], self._stops[run]
        steps = request.steps or 3
        yield Queued(0)
        for step in range(steps + 1):
            if "break" in request.prompt:
                raise ValueError("broken")
            if stop.wait(None if "wait" in request.prompt and step else self.pace):
                break
            yield Progressed(step, steps, step, 0.1 * step)
            if request.preview_every:
                yield Previewed(Image.new("RGB", (8, 8), (step, 0, 0)))
        with self._lock:
            del self._stops[run]
        if stop.is_set() and "too late" not in request.prompt:
            yield WasCancelled()
        elif "fail" in request.prompt:
            yield Failed(OutOfMemory(2 * 2**30, 2**30, "ask for a smaller picture"))
        else:
            yield Done(drawn(request))

    def cancel(self, run: str) -> None:
        with self._lock:
            if run in self._stops:
                self._stops[run].set()

    def close(self) -> None:
        with self._lock:
            for stop in self._stops.values():
                stop.set()


def drawn(request: Request) -> Result:
    """Return the pictures of a settled request, each of the colour of its seed."""
    pictures = (Picture(Image.new("RGB", (16, 8), colour(seed)), seed, f"Seed: {seed}") for seed in request.seeds)
    return Result(tuple(pictures), evaluations=3, seconds=0.1)


def colour(seed: int) -> tuple[int, int, int]:
    """Return the colour of a seed's picture."""
    return seed % 251, seed // 251 % 251, 40
