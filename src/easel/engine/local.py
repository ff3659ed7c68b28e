"""An EngineClient in this process: one thread owns the engine, its models and every tensor.

Doors talk to it from any thread; requests and events cross through queues. Knows nothing of files or HTTP.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any, Protocol
from uuid import uuid4

from easel.core.client import Done, Event, Failed, Queued, WasCancelled
from easel.core.errors import ResourceError, UnknownName
from easel.core.request import Request
from easel.core.work import Load
from easel.engine.engine import Engine
from easel.engine.run import Story
from easel.engine.runner import performer
from easel.models.family import Model
from easel.models.identify import Identity
from easel.recipes.common import check, tell

REST_AFTER = 5.0  # seconds without anything to do


class Models(Protocol):
    """Where models come from; models/library.py is one."""

    def find(self, name: str) -> Identity: ...
    def load(self, name: str) -> Model: ...
    def rest(self) -> None: ...
    def embeddings(self) -> tuple[str, ...]: ...
    def close(self) -> None: ...


class LocalClient:
    """Runs requests in a thread of this process; every run in flight shares forwards with the others."""

    def __init__(self, models: Models, *, max_rows: int = 64) -> None:
        self.engine = Engine(max_rows, performer(models.load))
        self._models = models
        self._calls: queue.SimpleQueue[tuple[str, str, Request | None]] = queue.SimpleQueue()
        self._events: dict[str, queue.SimpleQueue[Event]] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="easel-engine", daemon=True)
        self._thread.start()

    def submit(self, request: Request) -> str:
        """Take a request and return the id of its run; raises RequestError, ModelError or ResourceError on refusal."""
        if self._closing.is_set():
            raise ResourceError("the engine is closed; open a new client.")
        settled = request.settled()
        check(settled, self._models.embeddings())
        for name in models_of(settled):
            self._models.find(name)
        run = uuid4().hex[:12]
        self._events[run] = queue.SimpleQueue()
        self._events[run].put(Queued(ahead=len(self.engine.runs)))
        self._calls.put(("add", run, settled))
        return run

    def events(self, run: str) -> Iterator[Event]:
        """Yield the events of a run, each once, ending with Done, Failed or WasCancelled; raises UnknownName."""
        if run not in self._events:
            raise UnknownName("run", run, ())
        inbox = self._events[run]
        while True:
            event = inbox.get()
            yield event
            if isinstance(event, Done | Failed | WasCancelled):
                self._events.pop(run, None)
                return

    def cancel(self, run: str) -> None:
        """Ask a run to stop before its next step; without effect when it has ended."""
        self._calls.put(("cancel", run, None))

    def close(self) -> None:
        """Cancel what runs, end the thread and release the models."""
        self._closing.set()
        self._calls.put(("wake", "", None))
        self._thread.join()
        self._models.close()

    def _serve(self) -> None:
        busy = False
        while not self._closing.is_set():
            self._take_calls(wait=not busy)
            busy = self.engine.step()
        self._take_calls(wait=False)
        for run in list(self.engine.runs):
            self.engine.cancel(run)

    def _take_calls(self, *, wait: bool) -> None:
        """Admit and cancel as asked; waits for the first call when there is nothing else to do."""
        while True:
            try:
                verb, run, request = self._first_call() if wait else self._calls.get(block=False)
            except queue.Empty:
                return
            wait = False
            if verb == "add" and request is not None:
                self.engine.add(run, story_of(request), self._events[run].put)
            elif verb == "cancel":
                self.engine.cancel(run)

    def _first_call(self) -> tuple[str, str, Request | None]:
        """Wait for a call; when none comes for a while, let the models rest and wait on."""
        try:
            return self._calls.get(timeout=REST_AFTER)
        except queue.Empty:
            self._models.rest()
            return self._calls.get()


def models_of(request: Request) -> list[str]:
    """Return the names of the models that a request needs."""
    return [request.model, *([request.refiner.model] if request.refiner else [])]


def story_of(request: Request) -> Story:
    """Return the recipe's generator, the model's loading as its first act, so that its errors end only this run."""
    model: Any = yield Load(request.model)
    return (yield from tell(request, model))
