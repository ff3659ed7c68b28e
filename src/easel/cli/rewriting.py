"""What `easel models convert` and `merge` share: a bar in bytes, Ctrl-C that leaves nothing behind, and a closing line.

Progress goes to stderr, and the path of what was made to stdout.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from easel.cli.drawing import stop_signals
from easel.cli.endings import STOPPED, say
from easel.core.errors import BadValue, UnknownName

if TYPE_CHECKING:
    from easel.models.layouts.identify import Identity
    from easel.models.rewriting.stock import Stock

OPTIONS = ("ratio", "text_ratio", "vae_ratio", "blocks", "vae", "keep_ema")  # fields that are called as their options
LINE_EVERY = 10.0  # seconds between lines where there is no terminal
Dtype = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        metavar="FORMAT",
        help="Number format: float32, float16, bfloat16, float8_e4m3fn, float8_e5m2; otherwise it stays.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace what stands at OUT.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print a line of JSON instead of the path.")]


@contextmanager
def option_words() -> Iterator[None]:
    """Say of a value that is refused by which option people typed it."""
    try:
        yield
    except BadValue as error:
        if error.field not in OPTIONS:
            raise
        option = f"--{error.field.replace('_', '-')}"
        raise BadValue(option, error.got, error.allowed, remedy=error.remedy) from None


def model_called(name: str) -> Identity:
    """Return what the model of that name is, or the one at that path. Raises UnknownName, ModelError."""
    from easel.core.settings import read_settings
    from easel.models.layouts.identify import identify
    from easel.models.library.names import Library

    try:
        return Library(read_settings()).find(name)
    except UnknownName:
        if not Path(name).exists():
            raise
    return identify(Path(name))


def vae_called(name: str, of: Identity) -> Stock:
    """Return the autoencoder of that name, or at that path, for a model. Raises UnknownName, ModelError."""
    from easel.core.settings import read_settings
    from easel.models.layouts.identify import identify
    from easel.models.library.names import Library
    from easel.models.rewriting.published import vae_of

    path = Path(name).expanduser()
    found = identify(path) if path.exists() else Library(read_settings()).find(name, ("vae", "checkpoint"))
    return vae_of(found, of.family, of.variant)


def follow(work: Generator[int, None, None], total: int, out: Path, *, word: str, as_json: bool) -> None:
    """Do the work, which yields the bytes that are done, and say at its end what was made.

    word: what is being done, such as "merging". Raises what the work raises. Ctrl-C stops it after the tensor that is
    under way, since one that breaks into it may be between opening a file and closing it; the second time at once.
    """
    began, asked = monotonic(), list[int]()

    def stop(code: int) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(code)

    try:
        with stop_signals(stop), closing(work), bar(word, total, quiet=as_json) as advance:
            for size in work:
                advance(size)
                if asked:
                    raise KeyboardInterrupt
    except KeyboardInterrupt:
        say("stopped; nothing was written.")
        raise typer.Exit(asked[0] if asked else STOPPED) from None
    tell(out, monotonic() - began, as_json=as_json)


@contextmanager
def bar(word: str, total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Yield what is called with each number of bytes that is done: a bar on a terminal, else a line now and then."""
    from easel.cli.layout import console
    from easel.core.amounts import bytes_in_words

    if quiet or not sys.stderr.isatty():
        done, last = 0, monotonic()

        def line(size: int) -> None:
            nonlocal done, last
            done += size
            if not quiet and monotonic() - last >= LINE_EVERY:
                last = monotonic()
                say(f"{word}: {bytes_in_words(done)} of {bytes_in_words(total)}")

        yield line
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True, redirect_stdout=False) as progress:
        task = progress.add_task(word, total=total)
        yield lambda size: progress.advance(task, size)


def tell(out: Path, seconds: float, *, as_json: bool) -> None:
    """Say what was made: its size, how long it took, and what it is."""
    from easel.cli.display import json_line
    from easel.core.amounts import bytes_in_words
    from easel.models.layouts.identify import identify

    identity = identify(out)
    if as_json:
        facts = {
            "path": str(out.absolute()),
            "bytes": identity.size,
            "seconds": round(seconds, 3),
            "family": identity.family,
            "variant": identity.variant,
            "inpaints": identity.inpaints,
            "prediction": identity.prediction,
            "dtype": identity.dtype,
            "missing": list(identity.missing),
        }
        print(json_line(facts))
        return
    numbers = f", {identity.dtype}" if identity.dtype else ""
    lacks = f", without its {' and '.join(identity.missing)}" if identity.missing else ""
    kind = f"{identity.words}{numbers}, predicts {identity.prediction}{lacks}"
    say(f"{bytes_in_words(identity.size)} in {seconds:.1f} s: {kind}")
    print(out)
