"""How help and tables look: plain help in named groups, and rich tables that fit 80 columns on light and dark screens.

Help is plain text because rich takes longer to import than help takes to print.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

UNBROKEN = 10_000  # columns
HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class GroupedCommand(TyperCommand):
    """A command whose help shows its options in the groups that their `rich_help_panel` names, in order."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options of `ctx` to a help formatter."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            group = getattr(parameter, "rich_help_panel", None) or "Options"
            if parameter.param_type_name == "argument":  # typer would add the argument's Python type to its name
                name = getattr(parameter, "metavar", None) or parameter.name
                group, record = "Arguments", (name if parameter.nargs == 1 else f"{name}...", record[1])
            groups.setdefault(group, []).append(record)
        for name, records in groups.items():
            with formatter.section(name):
                formatter.write_dl(records, col_max=30)


def group(help: str, cls: type[TyperGroup] = TyperGroup) -> typer.Typer:
    """Return a group of commands, which alone prints its help."""
    app = typer.Typer(help=help, cls=cls, no_args_is_help=False, context_settings=HELP, rich_markup_mode=None)

    def root(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())

    app.callback(invoke_without_command=True, help=help)(root)
    return app


def console(*, stderr: bool = False) -> Console:
    """Return a console that prints text as it is: no markup, no guessing of what to highlight, no emoji codes.

    Where no terminal shows it, lines are as long as they need to be, for grep and friends.
    """
    from rich.console import Console

    made = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = UNBROKEN
    return made


def show(screen: Console, *parts: RenderableType) -> None:
    """Print tables and the like without the spaces that would fill their last column."""
    with screen.capture() as captured:
        screen.print(*parts, sep="\n")
    for line in captured.get().splitlines():
        print(line.rstrip())


def table(*headings: str) -> Table:
    """Return a table without lines: headings in bold, two spaces between columns."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        made.add_column(heading, overflow="fold")
    return made
