"""The table of commands, each imported when it is called: help and a wrong word cost nothing but typer itself."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from easel.cli.layout import HELP, GroupedCommand
from easel.core.errors import UnknownName

# name: (module, what in it, what the list of commands says of it); a Typer is a group of commands
Table = dict[str, tuple[str, str, str]]
COMMANDS: Table = {
    "txt2img": ("txt2img", "txt2img", "Draw pictures from words."),
    "img2img": ("img2img", "img2img", "Draw a picture anew, led by words."),
    "inpaint": ("inpaint", "inpaint", "Paint part of a picture anew, led by words."),
    "outpaint": ("outpaint", "outpaint", "Grow a picture beyond its edges, led by words."),
    "sketch": ("sketch", "sketch", "Draw a picture from colour strokes, led by words."),
    "upscale": ("upscale", "upscale", "Enlarge a picture and draw its detail anew, tile by tile."),
    "detail": ("detail", "detail", "Find faces, hands or any words in a picture and paint them anew."),
    "enlarge": ("enlarge", "enlarge", "Make pictures larger, without drawing anything anew."),
    "faces": ("faces", "faces", "Restore the faces of pictures."),
    "cutout": ("cutout", "cutout", "Cut what pictures show out of their background."),
    "process": ("process", "process", "Enlarge, restore faces and cut out in one go."),
    "control": ("control", "control", "Draw a hint for control models from a picture: edges, lines, poses, depth."),
    "grid": ("grid", "grid", "Vary things and see them side by side."),
    "matrix": ("grid", "matrix", "Draw a prompt with every choice of its parts."),
    "info": ("info", "info", "Show the words and settings that made a picture."),
    "replay": ("replay", "replay", "Draw a picture again from its metadata and compare."),
    "prompt": ("prompt", "app", "Find words for prompts; make choices in prompts."),
    "models": ("models", "app", "List, describe, fetch, convert and merge models; list samplers and the like."),
    "serve": ("serve", "serve", "Serve pictures to people and programs, over HTTP."),
    "users": ("users", "app", "Say who may use a server that others reach."),
    "outputs": ("outputs", "app", "List pictures by day, pack a day into a zip, forget old ones."),
    "doctor": ("doctor", "doctor", "Say what was found on this machine, and what to do about it."),
}


class Commands(TyperGroup):
    """A group that knows its commands by a table and imports the one that is called."""

    table: ClassVar[Table] = COMMANDS

    def list_commands(self, ctx: Any) -> list[str]:
        """Return every command's name."""
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command called `cmd_name`, None where there is none."""
        if cmd_name not in self.table:
            return None
        module, name, _ = self.table[cmd_name]
        found = getattr(import_module(f"easel.cli.{module}"), name)
        if isinstance(found, typer.Typer):
            command: Any = get_group(found)
        else:
            alone = typer.Typer(add_completion=False, rich_markup_mode=None)
            alone.command(cmd_name, cls=GroupedCommand, context_settings=HELP)(found)
            command = get_command(alone)
        command.name = cmd_name
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that arguments name. Raises UnknownName, with the nearest, where there is none."""
        if args and args[0] not in self.table and not args[0].startswith("-"):
            raise UnknownName("command", args[0], tuple(self.table))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, said) for name, (_, _, said) in self.table.items()])
