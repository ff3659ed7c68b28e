"""An EngineClient in this process: one thread owns the engine, its models and every tensor.

Doors talk to it from any thread; requests and events cross through queues. Knows nothing of files or HTTP.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any, Protocol
from uuid import uuid4

from easel.core.client import AS_USUAL, Done, Event, Failed, Queued, Terms, WasCancelled
from easel.core.errors import ResourceError, UnknownName
from easel.core.figures import Figures
from easel.core.request import Request
from easel.core.work import Load, Wanted, wanted_model
from easel.engine.engine import Engine
from easel.engine.flights import begin
from easel.engine.run import Story
from easel.engine.runner import performer, widths_of
from easel.models.memory.devices import device_memory
from easel.recipes.common import check, draws, tell
from easel.recipes.leads import wanted_by
from easel.recipes.regional import models_for

Call = tuple[str, str, tuple[Request, Terms] | None]  # a verb, a run, and what is to run
REST_AFTER = 5.0  # seconds without anything to do


class Loaded(Protocol):
    """Where models and networks come from; engine/shelf.py is one."""

    def check(self, wanted: Wanted) -> None: ...
    def load(self, wanted: Wanted) -> Any: ...
    def rest(self) -> None: ...
    def close(self) -> None: ...


class LocalClient:
    """Runs requests in a thread of this process; every run in flight shares forwards with the others."""

    def __init__(self, shelf: Loaded, *, max_rows: int = 64) -> None:
        self.engine = Engine(max_rows, performer(shelf.load), begin, widths_of)
        self._shelf = shelf
        self._calls: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._events: dict[str, queue.SimpleQueue[Event]] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="easel-engine", daemon=True)
        self._thread.start()

    def submit(self, request: Request, terms: Terms = AS_USUAL) -> str:
        """Take a request and return the id of its run; raises RequestError, ModelError or ResourceError on refusal."""
        if self._closing.is_set():
            raise ResourceError("the engine is closed; open a new client.")
        settled = request.settled()
        self.check(settled)
        run = uuid4().hex[:12]
        self._events[run] = queue.SimpleQueue()
        self._events[run].put(Queued(ahead=len(self.engine.runs)))
        self._calls.put(("add", run, (settled, terms)))
        return run

    def check(self, request: Request) -> None:
        """Raise RequestError or ModelError for what could not run; reads no weights."""
        check(request)
        for wanted in (*models_of(request), *wanted_by(request)):
            self._shelf.check(wanted)

    def figures(self) -> Figures:
        """Return what was counted so far; from any thread."""
        engine = self.engine
        return Figures(
            len(engine.runs), dict(engine.forwards), dict(engine.rows), dict(engine.seconds), device_memory()
        )

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
        self._shelf.close()

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
                verb, run, asked = self._first_call() if wait else self._calls.get(block=False)
            except queue.Empty:
                return
            wait = False
            if verb == "add" and asked is not None:
                request, terms = asked
                self.engine.add(run, story_of(request), self._events[run].put, terms)
            elif verb == "cancel":
                self.engine.cancel(run)

    def _first_call(self) -> Call:
        """Wait for a call; when none comes for a while, let the models rest and wait on."""
        try:
            return self._calls.get(timeout=REST_AFTER)
        except queue.Empty:
            self._shelf.rest()
            return self._calls.get()


def models_of(request: Request) -> list[Wanted]:
    """Return the models that a request needs, its own first; none where its recipe works without."""
    own = [wanted_model(request.model, request.components)] if draws(request) else []
    refiner = [Wanted("model", request.refiner.model)] if request.refiner else []
    return [*own, *refiner, *(wanted for detail in request.details for wanted in models_for(detail, request))]


def story_of(request: Request) -> Story:
    """Return the recipe's generator, the model's loading as its first act, so that its errors end only this run."""
    model: Any = (yield Load(wanted_model(request.model, request.components))) if draws(request) else None
    return (yield from tell(request, model))
