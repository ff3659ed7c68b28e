"""The life of one txt2img command: submit all requests, follow the runs, keep what is finished, stop on Ctrl-C.

It knows the client's protocol and nothing of engines, files or screens: pictures go to `keep`, news to the display.
"""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic
from types import FrameType

from easel.cli.display import Display, pace_in_words
from easel.cli.endings import STOPPED, TERMINATED, code_for, trace, worst
from easel.cli.wishes import in_option_words
from easel.core.client import Done, EngineClient, Event, Failed, Progressed, WasCancelled
from easel.core.errors import BadValue, EaselError, Internal, ModelError, QueueFull, StorageError
from easel.core.request import Request
from easel.core.result import Picture, Result

IN_FLIGHT = 128  # runs submitted at once: several times what one forward takes, few enough for a thread each
TICK = 0.2  # seconds between looks at the clock; also how soon Windows notices Ctrl-C
NAMED = 8  # kept pictures named one by one when the rest is stopped

Keep = Callable[[int, Picture], Path | None]  # (number of the request, picture) to where it is saved, if it is
Film = Callable[[Request, Sequence[Picture]], Path | None]  # a clip and its frames to where its film is saved


def no_film(request: Request, frames: Sequence[Picture]) -> Path | None:
    """Keep no film."""
    return None


class Drawing:
    """The runs of one command. One instance draws once."""

    def __init__(
        self,
        client: EngineClient,
        requests: Sequence[Request],
        keep: Keep,
        display: Display,
        film: Film = no_film,
    ) -> None:
        self._client = client
        self._requests = requests
        self._keep = keep
        self._film = film
        self._display = display
        self._waiting = deque(range(len(requests)))
        self._running: dict[int, str] = {}
        self._inbox: SimpleQueue[tuple[int, Event]] = SimpleQueue()
        self._codes: list[int] = []
        self._asked_to_stop: int | None = None
        self._stopping = False

    def finish(self) -> int:
        """Draw everything and return the exit code.

        Ctrl-C raises KeyboardInterrupt before the first step, and the second time.
        """
        began = monotonic()
        with stop_signals(self._ask_to_stop):
            self._submit_waiting()
            while self._running:
                self._display.tick()
                try:
                    run, event = self._inbox.get(timeout=TICK)
                except Empty:
                    pass
                else:
                    self._take(run, event)
                if self._asked_to_stop is not None and not self._stopping:
                    self._stop()
                    if not self._display.tally.done:  # a model is loading, and there is nothing to keep
                        raise KeyboardInterrupt(self._asked_to_stop)
                    self._display.remark("stopping after this step; Ctrl-C again leaves at once")
                self._submit_waiting()
        self._sum_up(monotonic() - began)
        return worst(self._codes) if self._asked_to_stop is None else self._asked_to_stop

    def _ask_to_stop(self, code: int) -> None:
        """Note the wish, from within a signal handler; the second time raise KeyboardInterrupt."""
        if self._asked_to_stop is not None:
            raise KeyboardInterrupt(code)
        self._asked_to_stop = code

    def _stop(self) -> None:
        """Cancel what runs and forget what waits; pictures that are finished meanwhile are still kept."""
        self._stopping = True
        self._waiting.clear()
        for run in self._running.values():
            self._client.cancel(run)

    def _submit_waiting(self) -> None:
        while self._waiting and len(self._running) < IN_FLIGHT:
            index = self._waiting.popleft()
            try:
                run = self._client.submit(self._requests[index])
            except QueueFull as error:
                if self._running:  # a place comes free when one of ours ends
                    self._waiting.appendleft(index)
                    return
                self._failed(index, error)
            except EaselError as error:
                self._failed(index, error)
            else:
                self._running[index] = run
                threading.Thread(target=self._follow, args=(index, run), daemon=True).start()

    def _follow(self, index: int, run: str) -> None:
        """Bring the events of a run to the inbox; in a thread of its own, for reading events waits."""
        try:
            for event in self._client.events(run):
                self._inbox.put((index, event))
        except EaselError as error:
            self._inbox.put((index, Failed(error)))
        except Exception as error:  # the thread's edge: a run whose events break off must still end
            self._inbox.put((index, Failed(Internal(run, error))))

    def _take(self, index: int, event: Event) -> None:
        if index not in self._running:
            return
        tally = self._display.tally
        match event:
            case Progressed(step=step, steps=steps):
                tally.stepped(index, step, steps, monotonic())
            case Done(result):
                tally.ended(index, whole=True)
                self._keep_pictures(index, result)
                self._running.pop(index, None)
            case Failed(error):
                self._failed(index, error, its_own=not isinstance(error, ModelError))
            case WasCancelled():
                del self._running[index]
                tally.ended(index, whole=False)
            case _:
                pass

    def _keep_pictures(self, index: int, result: Result) -> None:
        request = self._requests[index]
        try:
            for picture in result.pictures:
                path = self._keep(index, picture)
                self._display.kept(request, result, picture, path)
            if request.motion is not None and (film := self._film(request, result.pictures)) is not None:
                self._display.filmed(film, {"frames": len(result.pictures), "fps": request.motion.fps})
        except EaselError as error:
            self._failed(index, error)
            if isinstance(error, StorageError):  # the next picture would find no place either
                self._stop()

    def _failed(self, index: int, error: EaselError, *, its_own: bool = False) -> None:
        """Note that a run failed; `its_own`: perhaps for what it asked, so that it is worth naming."""
        self._running.pop(index, None)
        error = in_option_words(error) if isinstance(error, BadValue) else error
        self._codes.append(code_for(error))
        self._display.tally.ended(index, whole=False)
        trace(error)
        self._display.failed(self._requests[index], error.message, type(error).__name__, its_own=its_own)

    def _sum_up(self, seconds: float) -> None:
        """Say in one line what was made, when that is not plain to see."""
        paths, wanted = self._display.paths, self._display.tally.pictures
        pace = self._display.tally.pace(monotonic())
        if self._asked_to_stop is not None and not paths:
            self._display.remark("stopped; no picture was finished")
        elif self._stopping or len(paths) < wanted:
            folders = {str(path.parent) for path in paths}
            place = f" in {folders.pop()}" if len(folders) == 1 else ""
            names = ", ".join(path.name for path in paths[:NAMED])
            more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
            word = "stopped; " if self._asked_to_stop is not None else ""
            if paths:
                self._display.remark(f"{word}kept {len(paths)} of {wanted} pictures{place}: {names}{more}")
        elif len(paths) > 1 and pace is not None:
            self._display.remark(f"{len(paths)} pictures in {seconds:.1f} s, {pace_in_words(pace)}")


@contextmanager
def stop_signals(stop: Callable[[int], None]) -> Iterator[None]:
    """Call `stop` with the exit code at Ctrl-C and SIGTERM instead of dying, and put the old handlers back afterwards.

    So no picture is left half-written by a KeyboardInterrupt in the middle of things. Elsewhere than in the main
    thread, where Python allows no handlers, signals stay as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    codes = {signal.SIGINT: STOPPED, signal.SIGTERM: TERMINATED}

    def handle(number: int, frame: FrameType | None) -> None:
        stop(codes[signal.Signals(number)])

    # a signal that was ignored when we began stays so: a shell does that for what it runs in the background
    heeded = [number for number in codes if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
