"""Long work on files, one piece after another beside the server: what is under way, how far it is, and how to stop it.

A piece of work is a generator of steps, so that it can be stopped between any two. Knows no models and no page; whoever
asks is told the same, so a page that was closed finds its work again.
"""

from __future__ import annotations

import itertools
import threading
import traceback
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from time import monotonic
from typing import Literal

from easel.core.errors import Cancelled, EaselError, QueueFull, RequestError

State = Literal["waiting", "running", "done", "failed", "stopped"]
MOST_WAITING = 20
MOST_KEPT = 20  # pieces of work that have ended and are still shown
PATIENCE = 5.0  # seconds that work is given to end when the house closes


@dataclass(frozen=True, slots=True)
class Step:
    """How far a piece of work is: bytes done, of how many (None where nobody says). note: something to tell."""

    done: int = 0
    total: int | None = None
    note: str = ""


Labour = Generator[Step, None, str]  # returns what it made, in a line


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of work as it stands. kind: what is done, such as "merge"; title: to what; said: the last note, or what
    was made, or why it failed. seconds: since it began, None while it waits. error: as it failed, where we raised it.
    """

    number: int
    kind: str
    title: str
    user: str
    state: State = "waiting"
    step: Step = Step()
    said: str = ""
    began: float | None = None
    seconds: float | None = None
    error: EaselError | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state not in ("waiting", "running")

    @property
    def share(self) -> float | None:
        """How much of it is done, 0..1; None where nobody says."""
        return min(1.0, self.step.done / self.step.total) if self.step.total else None

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the pace so far; None where nobody says."""
        share = self.share
        return None if not share or self.seconds is None else self.seconds / share * (1 - share)


class Workshop:
    """Does one piece of work at a time, in a thread of its own; any thread may ask. clock: seconds."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._numbers = itertools.count(1)
        self._pieces: dict[int, Piece] = {}
        self._labours: dict[int, Callable[[], Labour]] = {}
        self._stopped: set[int] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def begin(self, kind: str, title: str, labour: Callable[[], Labour], user: str = "") -> Piece:
        """Have something done, when its turn comes, and return it as it waits. Raises QueueFull, RequestError."""
        with self._changed:
            if self._closed:
                raise RequestError("the server ends; ask again when it serves.")
            waiting = sum(piece.state == "waiting" for piece in self._pieces.values())
            if waiting >= MOST_WAITING:
                raise QueueFull(f"{waiting} pieces of work wait, and that is the most; let some end, or stop some.")
            piece = Piece(next(self._numbers), kind, title, user)
            self._pieces[piece.number], self._labours[piece.number] = piece, labour
            if self._thread is None:  # one for as long as there is work; it would hold a house that nobody closes
                self._thread = threading.Thread(target=self._work, name="workshop", daemon=True)
                self._thread.start()
            return piece

    def pieces(self) -> list[Piece]:
        """Return every piece of work that is kept, the latest first."""
        with self._changed:
            return [self._aged(piece) for piece in reversed(self._pieces.values())]

    def stop(self, number: int) -> None:
        """Stop a piece of work after its step; one that has ended stays as it is. Raises RequestError for no piece."""
        with self._changed:
            piece = self._pieces.get(number)
            if piece is None:
                raise RequestError(f"there is no piece of work {number}; it may have ended long ago.")
            if piece.state == "waiting":
                self._pieces[number] = replace(piece, state="stopped")
                del self._labours[number]
            elif piece.state == "running":
                self._stopped.add(number)
            self._changed.notify_all()

    def wait(self, number: int, seconds: float) -> Piece | None:
        """Return a piece of work when it has ended, or as it stands after some seconds; None for one not kept."""
        with self._changed:
            self._changed.wait_for(lambda: (piece := self._pieces.get(number)) is None or piece.has_ended, seconds)
            piece = self._pieces.get(number)
            return self._aged(piece) if piece else None

    def close(self) -> None:
        """Stop everything, and wait a moment so that nothing half-made is left."""
        with self._changed:
            self._closed = True
            for piece in self._pieces.values():
                if piece.state == "waiting":
                    self._pieces[piece.number] = replace(piece, state="stopped")
            self._labours.clear()
            self._stopped |= set(self._pieces)
            thread = self._thread
        if thread is not None:
            thread.join(PATIENCE)

    def _aged(self, piece: Piece) -> Piece:
        """Return a piece with its seconds as they are now."""
        if piece.state != "running" or piece.began is None:
            return piece
        return replace(piece, seconds=self._clock() - piece.began)

    def _work(self) -> None:
        """Do what waits, until nothing does."""
        while (taken := self._take()) is not None:
            self._perform(*taken)

    def _take(self) -> tuple[Piece, Callable[[], Labour]] | None:
        """Return the first that waits, as begun; None where nothing waits, and then this thread is none of ours."""
        with self._changed:
            for number, labour in self._labours.items():
                piece = replace(self._pieces[number], state="running", began=self._clock(), seconds=0.0)
                self._pieces[number] = piece
                del self._labours[number]
                return piece, labour
            self._thread = None
            return None

    def _perform(self, piece: Piece, labour: Callable[[], Labour]) -> None:
        """Do one piece of work and write down how it ended."""
        number, said, failure = piece.number, "", None
        state: State = "done"
        try:
            with closing(labour()) as steps:
                said = self._steps(number, steps)
        except Cancelled:
            state = "stopped"
        except EaselError as error:
            state, said, failure = "failed", error.message, error
        except Exception as error:  # the thread's edge: whatever happens, the next piece has its turn
            traceback.print_exc()
            state, said = "failed", f"internal error: {type(error).__name__}: {' '.join(str(error).split())}"
        with self._changed:
            self._stopped.discard(number)
            self._pieces[number] = replace(self._aged(self._pieces[number]), state=state, said=said, error=failure)
            ended = [one for one, piece in self._pieces.items() if piece.has_ended]
            for old in ended[:-MOST_KEPT]:
                del self._pieces[old]
            self._changed.notify_all()

    def _steps(self, number: int, steps: Labour) -> str:
        """Take every step and return what was made. Raises Cancelled where it is stopped, and what the work raises."""
        while True:
            with self._changed:
                if number in self._stopped:
                    raise Cancelled("stopped")
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value
            with self._changed:
                piece = self._pieces[number]
                step = replace(step, done=step.done or piece.step.done, total=step.total or piece.step.total)
                self._pieces[number] = replace(piece, step=step, said=step.note or piece.said)
