"""Long work beside the server: one after another, seen from anywhere, stopped between any two steps."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from easel.core.errors import BadValue, QueueFull, RequestError
from easel.ui.workshop import MOST_KEPT, MOST_WAITING, Labour, Piece, Step, Workshop

LONG = 10.0  # seconds, far more than any step here takes


def counting(steps: int, said: str = "made") -> Callable[[], Labour]:
    """Return work of so many steps."""

    def labour() -> Labour:
        for step in range(1, steps + 1):
            yield Step(step, steps)
        return said

    return labour


class Held:
    """Work that waits after its first step until it is let go, and knows how it ended."""

    def __init__(self) -> None:
        self.begun, self.go, self.closed = threading.Event(), threading.Event(), threading.Event()

    def labour(self) -> Labour:
        try:
            yield Step(1, 4, "first")
            self.begun.set()
            assert self.go.wait(LONG)
            yield Step(2, 4)
            return "made"
        finally:
            self.closed.set()


def ended(workshop: Workshop, piece: Piece) -> Piece:
    """Return a piece when it has ended."""
    found = workshop.wait(piece.number, LONG)
    assert found is not None and found.has_ended
    return found


def test_work_is_done_and_tells_what_it_made() -> None:
    workshop = Workshop()
    piece = ended(workshop, workshop.begin("merge", "ab", counting(3), "ann"))
    assert (piece.state, piece.said, piece.user, piece.step, piece.share) == ("done", "made", "ann", Step(3, 3), 1.0)


def test_one_at_a_time_in_order() -> None:
    workshop, held = Workshop(), Held()
    first, second = workshop.begin("merge", "a", held.labour), workshop.begin("merge", "b", counting(1))
    assert held.begun.wait(LONG)
    assert [(piece.title, piece.state) for piece in workshop.pieces()] == [("b", "waiting"), ("a", "running")]
    held.go.set()
    assert ended(workshop, second).state == "done"
    assert ended(workshop, first).state == "done"


def test_how_far_it_is_and_how_long_it_takes() -> None:
    now = [100.0]
    workshop, held = Workshop(clock=lambda: now[0]), Held()
    piece = workshop.begin("fetch", "a", held.labour)
    assert held.begun.wait(LONG)
    now[0] = 106.0
    (found,) = workshop.pieces()
    assert (found.share, found.said, found.seconds, found.seconds_left) == (0.25, "first", 6.0, 18.0)
    held.go.set()
    assert ended(workshop, piece).seconds == 6.0


def test_a_note_keeps_the_bytes_before_it() -> None:
    def labour() -> Labour:
        yield Step(5, 10)
        yield Step(note="trying again")
        return ""

    workshop = Workshop()
    assert ended(workshop, workshop.begin("fetch", "a", labour)).step == Step(5, 10, "trying again")


def test_stopped_between_two_steps_and_cleaned_up() -> None:
    workshop, held = Workshop(), Held()
    piece = workshop.begin("fetch", "a", held.labour)
    assert held.begun.wait(LONG)
    workshop.stop(piece.number)
    held.go.set()
    assert ended(workshop, piece).state == "stopped"
    assert held.closed.is_set()
    workshop.stop(piece.number)
    assert ended(workshop, piece).state == "stopped"


def test_what_waits_is_stopped_without_ever_beginning() -> None:
    workshop, held = Workshop(), Held()
    first = workshop.begin("merge", "a", held.labour)
    assert held.begun.wait(LONG)
    second = workshop.begin("merge", "b", counting(1))
    workshop.stop(second.number)
    held.go.set()
    assert ended(workshop, first).state == "done"
    assert ended(workshop, second) == second.__class__(second.number, "merge", "b", "", "stopped")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_failing_work_says_why_and_the_next_has_its_turn(capsys: pytest.CaptureFixture[str]) -> None:
    def refused() -> Labour:
        yield Step()
        raise BadValue("ratio", 3, "0 to 1")

    def broken() -> Labour:
        yield Step()
        raise ZeroDivisionError("none")

    workshop = Workshop()
    pieces = [workshop.begin("merge", "a", work) for work in (refused, broken, counting(1))]
    first, second, third = (ended(workshop, piece) for piece in pieces)
    assert (first.state, first.said) == ("failed", "ratio is 3, allowed is 0 to 1.")
    assert isinstance(first.error, BadValue)
    assert (second.state, second.said, second.error) == ("failed", "internal error: ZeroDivisionError: none", None)
    assert third.state == "done"
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_too_much_work_is_refused_and_old_work_forgotten() -> None:
    workshop, held = Workshop(), Held()
    workshop.begin("merge", "held", held.labour)
    assert held.begun.wait(LONG)
    pieces = [workshop.begin("merge", str(place), counting(1)) for place in range(MOST_WAITING)]
    with pytest.raises(QueueFull, match=f"{MOST_WAITING} pieces of work wait"):
        workshop.begin("merge", "one more", counting(1))
    held.go.set()
    assert ended(workshop, pieces[-1]).state == "done"
    assert len(workshop.pieces()) == MOST_KEPT
    with pytest.raises(RequestError, match="no piece of work 1;"):
        workshop.stop(1)


def test_closing_stops_everything_and_takes_nothing_more() -> None:
    workshop, held = Workshop(), Held()
    first = workshop.begin("merge", "a", held.labour)
    assert held.begun.wait(LONG)
    second = workshop.begin("merge", "b", counting(1))
    closing = threading.Thread(target=workshop.close)
    closing.start()
    while workshop.pieces()[0].state != "stopped":
        pass
    held.go.set()
    closing.join(LONG)
    assert [ended(workshop, piece).state for piece in (first, second)] == ["stopped", "stopped"]
    with pytest.raises(RequestError, match="the server ends"):
        workshop.begin("merge", "c", counting(1))
