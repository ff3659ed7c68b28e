"""`easel models download` and `easel models login`: models from Hugging Face, Civitai or a link. Loads no torch."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from easel.cli.endings import STOPPED, say
from easel.core.errors import BadValue, ModelError

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from easel.models.download.bring import Brought
    from easel.models.download.plans import Plan
    from easel.models.download.wanted import Event, Progress

What = Annotated[
    str,
    typer.Argument(metavar="WHAT", help="A link, OWNER/NAME, OWNER/NAME/FILE, or a Civitai id.", show_default=False),
]
Kind = Annotated[str, typer.Option("--kind", metavar="KIND", help="checkpoint, lora, embedding, vae, upscaler ...")]
To = Annotated[Path | None, typer.Option("--to", metavar="FOLDER", help="Put it here instead of its kind's folder.")]
Name = Annotated[str, typer.Option("--name", metavar="NAME", help="Save it under this name.")]
File = Annotated[
    str, typer.Option("--file", metavar="NAME", help="Which file: its name or words of it; fp16 or full of a folder.")
]
Revision = Annotated[str, typer.Option("--revision", metavar="R", help="Branch, tag or commit (Hugging Face).")]
Sha256 = Annotated[str, typer.Option("--sha256", metavar="HEX", help="What a plain link's file must be.")]
Force = Annotated[bool, typer.Option("--force", help="Replace another file of that name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print a line of JSON instead of the path.")]
SiteName = Annotated[str, typer.Argument(metavar="SITE", help="hf or civitai.", show_default=False)]
Forget = Annotated[bool, typer.Option("--forget", help="Take the token away again.")]
LINE_EVERY = 10.0  # seconds between lines where there is no terminal


def download(
    what: What,
    kind: Kind = "",
    to: To = None,
    name: Name = "",
    file: File = "",
    revision: Revision = "",
    sha256: Sha256 = "",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Fetch a model from Hugging Face, Civitai or a link; goes on where an earlier call was cut."""
    from easel.core.settings import read_settings
    from easel.models.download.bring import bring
    from easel.models.download.names import folder_for
    from easel.models.download.plans import Wish, open_web, plan

    models = read_settings().models.expanduser()
    wish = Wish(kind, name, file, revision, sha256)
    try:
        with open_web(what) as web:
            planned = plan(what, wish, web)
            folder = to.expanduser() if to is not None else folder_for(models, planned.kind)
            if not as_json:
                say(in_words(planned, folder))
            with closing(bring(planned, folder, web, models=None if to else models, force=force)) as coming:
                brought = shown_while(coming, quiet=as_json)
        tell(brought, planned, None if to else models, as_json=as_json)
    except KeyboardInterrupt:
        say("stopped; what has come is kept, and the same command goes on from there.")
        raise typer.Exit(STOPPED) from None


def login(site: SiteName, forget: Forget = False) -> None:
    """Keep a token of Hugging Face (hf) or Civitai in the system's keyring; it is asked for, or read from a pipe."""
    from easel.models.download import sites

    found = sites.site(site)
    if forget:
        had = sites.forget_token(site)
        say(f"the token of {found.name} is forgotten." if had else f"there was no token of {found.name}.")
        return
    if sys.stdin.isatty():
        say(f"{found.name}: make a token at {found.page}")
        try:
            token = typer.prompt("Token (not shown)", hide_input=True, err=True)
        except typer.Abort:
            raise typer.Exit(STOPPED) from None
    else:
        token = sys.stdin.readline()
    if not token.strip():
        raise BadValue("token", "", f"one from {found.page}")
    sites.keep_token(site, token)
    say(f"the token of {found.name} is kept in the system's keyring; it is sent to {found.base} alone.")


def in_words(planned: Plan, folder: Path) -> str:
    """Return what is about to be fetched, in one line."""
    from easel.core.amounts import bytes_in_words

    size = "size not told" if planned.size is None else bytes_in_words(planned.size)
    count = f"{len(planned.files)} files, " if planned.folder else ""
    return f"{planned.title}: {count}{size}, to {folder / planned.name}"


def shown_while(coming: Generator[Event, None, Brought], *, quiet: bool) -> Brought:
    """Return what `coming` brings, showing its events: a bar on a terminal, a line now and then elsewhere."""
    from easel.models.download.wanted import Note

    with screen(quiet=quiet) as show:
        while True:
            try:
                event = next(coming)
            except StopIteration as end:
                return end.value
            if not isinstance(event, Note):
                show.refresh(event)
            elif not quiet:
                show.remark(event.text)


class Lines:
    """Progress as lines, every ten seconds unless quiet."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._last: tuple[float, int] | None = None

    def refresh(self, event: Progress) -> None:
        from easel.core.amounts import bytes_in_words

        now = monotonic()
        if self._last is None:
            self._last = (now, event.done)
        before, done = self._last
        if not self._quiet and now - before >= LINE_EVERY:
            self._last = (now, event.done)
            whole = "" if event.total is None else f" of {bytes_in_words(event.total)}"
            self.remark(
                f"{bytes_in_words(event.done)}{whole}, {bytes_in_words((event.done - done) / (now - before))}/s"
            )

    def remark(self, line: str) -> None:
        say(line)


class Bar:
    """A rich bar with speed and time left."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task: Any = None

    def refresh(self, event: Progress) -> None:
        if self._task is None:  # only now, so that what was there before does not count as speed
            self._task = self._bars.add_task("", total=event.total, completed=event.done)
        self._bars.update(self._task, total=event.total, completed=event.done)

    def remark(self, line: str) -> None:
        self._bars.console.print(" ".join(line.splitlines()), soft_wrap=True)


@contextmanager
def screen(*, quiet: bool) -> Iterator[Lines | Bar]:
    """Yield where progress is seen, fit for where stderr leads."""
    if quiet or not sys.stderr.isatty():
        yield Lines(quiet=quiet)
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    from easel.cli.layout import console

    columns = (BarColumn(bar_width=24), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True, redirect_stdout=False) as bars:
        yield Bar(bars)


def tell(brought: Brought, planned: Plan, models: Path | None, *, as_json: bool) -> None:
    """Say what was fetched and what is in it; a file whose kind was not known before moves to its kind's folder."""
    from easel.models.download.bring import settle
    from easel.models.layouts.identify import identify

    facts: dict[str, Any] = {"kind": planned.kind}
    try:
        identity = identify(brought.path)
        lacks = identity.missing if identity.kind == "checkpoint" else ()
        lacking = f", without its {' and '.join(lacks)}" if lacks else ""
        facts["is"] = f"{identity.words}{lacking}"
        if not planned.kind and models is not None and not brought.there:
            brought = settle(brought, identity.kind, models)
    except ModelError as error:
        facts["error"] = error.message
    if as_json:
        from easel.cli.display import json_line

        told = {"path": str(brought.path.absolute()), "bytes": brought.size, "sha256": brought.sha256}
        print(json_line({**told, "there_before": brought.there, **facts}))
        return
    if brought.there:
        say(f"{brought.path}: is there already, the same by its hash; nothing was fetched.")
    said = facts.get("is")
    say(f"this is {said}" if said else f"kept, but Easel cannot use it as it is: {facts['error']}")
    print(brought.path)
