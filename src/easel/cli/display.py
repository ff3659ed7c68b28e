"""What is seen while pictures are drawn: a bar on a terminal, a line now and then elsewhere, results on stdout.

Results (paths or JSON) go to stdout and nothing else does. Progress and errors go to stderr, except that one terminal
holding both gets the bar and the paths from one console, so that they do not overwrite each other.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from easel.cli.endings import say
from easel.cli.tally import Tally
from easel.core.errors import shown

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console
    from rich.progress import Progress

    from easel.core.request import Request
    from easel.core.result import Picture, Result

LINE_EVERY = 10.0  # seconds between lines where there is no terminal


class Screen(Protocol):
    """Where progress is seen."""

    def refresh(self, tally: Tally) -> None:
        """Show how far the runs are."""
        ...

    def result(self, line: str) -> None:
        """Print a line to stdout."""
        ...

    def remark(self, line: str) -> None:
        """Print a line to stderr."""
        ...


class Plain:
    """Lines: results at once, progress every ten seconds on stderr unless quiet."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._last = monotonic()

    def refresh(self, tally: Tally) -> None:
        now = monotonic()
        if not self._quiet and now - self._last >= LINE_EVERY:
            self._last = now
            self.remark(facts_of(tally, now) or "loading the model")

    def result(self, line: str) -> None:
        print(line, flush=True)

    def remark(self, line: str) -> None:
        say(line)


class Bar:
    """A rich bar for all runs together."""

    def __init__(self, progress: Progress, console: Console, *, results_beside: bool) -> None:
        self._progress = progress
        self._console = console
        self._results_beside = results_beside
        self._task = progress.add_task("loading", total=None, facts="the model")

    def refresh(self, tally: Tally) -> None:
        if tally.total is not None:
            word = "drawing" if tally.done < tally.total else "finishing"
            facts = facts_of(tally, monotonic())
            self._progress.update(self._task, description=word, total=tally.total, completed=tally.done, facts=facts)

    def result(self, line: str) -> None:
        if self._results_beside:
            self._console.print(line, soft_wrap=True)
        else:
            self._clear()  # the pipe may end on this very terminal, where the line would run into the bar
            print(line, flush=True)

    def _clear(self) -> None:
        from rich.control import Control
        from rich.segment import ControlType

        self._console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))

    def remark(self, line: str) -> None:
        self._console.print(" ".join(line.splitlines()), soft_wrap=True)


class Display:
    """Speaks for one command: counts, prints results and errors in the asked form, and sums up at the end."""

    def __init__(self, screen: Screen, requests: Sequence[Request], *, as_json: bool) -> None:
        self.tally = Tally(len(requests), sum(request.batch_size for request in requests))
        self.paths: list[Path] = []
        self._screen = screen
        self._as_json = as_json
        self._prompts = len({request.prompt for request in requests})
        self._said: set[str] = set()

    def tick(self) -> None:
        """Let the screen follow the clock."""
        self._screen.refresh(self.tally)

    def kept(self, request: Request, result: Result, picture: Picture, path: Path | None) -> None:
        """Tell of a picture that is done, and where it is on disk; None for one that goes into a grid."""
        self.tally.kept += 1
        if path is not None:
            self.paths.append(path)
            facts = json_line(picture_facts(request, result, picture, path)) if self._as_json else str(path)
            self._screen.result(facts)
        self.tick()

    def failed(self, request: Request, message: str, kind: str, *, its_own: bool) -> None:
        """Tell of a run that failed; a reason that several runs share is said once.

        its_own: whether other prompts may fare better, so that this one is named.
        """
        if self._as_json:
            facts = {"error": {"kind": kind, "message": message}, "prompt": request.prompt, "seed": request.seed}
            self._screen.result(json_line(facts))
        if message not in self._said:
            self._said.add(message)
            where = f" in {shown(request.prompt)}" if its_own and self._prompts > 1 else ""
            self._screen.remark(f"error{where}: {message}")

    def made(self, path: Path, facts: dict[str, Any]) -> None:
        """Tell of a file made of several pictures."""
        self.paths.append(path)
        self.filmed(path, facts)

    def filmed(self, path: Path, facts: dict[str, Any]) -> None:
        """Tell of a film that stands beside its frames, which are counted and it is not."""
        self._screen.result(json_line({"path": str(path.absolute()), **facts}) if self._as_json else str(path))

    def remark(self, line: str) -> None:
        """Say something about the whole."""
        self._screen.remark(line)


@contextmanager
def open_display(requests: Sequence[Request], *, as_json: bool) -> Iterator[Display]:
    """Yield a display fit for where stdout and stderr lead."""
    if not (sys.stderr.isatty() or (sys.stdout.isatty() and not as_json)):
        yield Display(Plain(quiet=as_json), requests, as_json=as_json)
        return
    from rich.progress import BarColumn, Progress, TextColumn

    from easel.cli.layout import console

    beside = sys.stdout.isatty()
    screen = console(stderr=sys.stderr.isatty() and not beside)
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[facts]}"))
    # a result that a pipe takes must not be caught and drawn above the bar
    with Progress(*columns, console=screen, transient=True, redirect_stdout=False, redirect_stderr=False) as progress:
        yield Display(Bar(progress, screen, results_beside=beside), requests, as_json=as_json)


def facts_of(tally: Tally, now: float) -> str:
    """Return how far the runs are, in words of at most 50 columns; empty before the first step."""
    if tally.total is None:
        return ""
    parts = [f"{tally.done}/{tally.total} steps"]
    if tally.pictures > 1:
        parts.append(f"{tally.kept}/{tally.pictures} pictures")
    pace, left = tally.pace(now), tally.seconds_left(now)
    if pace is not None and left is not None:
        parts += [pace_in_words(pace), f"ETA {time_in_words(left)}"]
    return "  ".join(parts)


def pace_in_words(pace: float) -> str:
    """Return steps a second, or seconds a step where that reads better."""
    return f"{pace:.1f} it/s" if pace >= 1 else f"{1 / pace:.1f} s/it"


def time_in_words(seconds: float) -> str:
    """Return a time left as 0:07, 12:30 or 1:02:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def picture_facts(request: Request, result: Result, picture: Picture, path: Path) -> dict[str, Any]:
    """Return what `--json` says of a picture."""
    return {
        "path": str(path.absolute()),
        "seed": picture.seed,
        "width": picture.image.width,
        "height": picture.image.height,
        "prompt": request.prompt,
        "model": request.model,
        "infotext": picture.infotext,
        "evaluations": result.evaluations,
        "seconds": round(result.seconds, 3),
    }


def json_line(facts: dict[str, Any]) -> str:
    """Return an object as one line of JSON."""
    return json.dumps(facts, ensure_ascii=False)
