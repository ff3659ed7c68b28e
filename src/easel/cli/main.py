"""The `easel` command: its groups, and the one place where an error becomes a line on stderr and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from easel.cli.commands import Commands
from easel.cli.endings import MACHINE, OK, code_for, say_error, trace
from easel.cli.layout import HELP
from easel.core.errors import EaselError
from easel.core.version import version

app = typer.Typer(
    name="easel",
    cls=Commands,
    help="Pictures from words, on your own machine.",
    epilog='Try: easel txt2img "a fox".  Docs: docs/cli.md.',
    context_settings=HELP,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def show_version(wanted: bool) -> None:
    """Print the version and end, when asked."""
    if wanted:
        typer.echo(f"easel {version()}")
        raise typer.Exit(OK)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Pictures from words, on your own machine."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 the machine or a model, 2 the request, 130 Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a picture's words may not fit the terminal's encoding
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = app(args=arguments, prog_name="easel", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has gone; Python must not try to flush again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return MACHINE
    except typer.TyperException as error:
        say_error(error.format_message())
        return error.exit_code
    except EaselError as error:
        trace(error)
        say_error(error.message)
        return code_for(error)
    except Exception as error:  # the process edge: a newcomer sees one line, EASEL_DEBUG=1 the rest
        trace(error)
        say_error(f"internal error: {type(error).__name__}: {error}. EASEL_DEBUG=1 shows where; please report it.")
        return MACHINE
    return code if isinstance(code, int) else OK
