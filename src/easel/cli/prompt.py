"""`easel prompt`: words to choose from, and prompts with choices made. Loads no torch and draws nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from easel.cli import explain
from easel.cli.endings import code_for, say, say_error, worst
from easel.cli.layout import GroupedCommand, group

if TYPE_CHECKING:
    from collections.abc import Iterator

    from easel.prompt.catalogue import Category, Entry
    from easel.prompt.styles import Style

MOST_COMBINATIONS = 1000

AsJson = Annotated[bool, typer.Option("--json", help="Print a line of JSON for each instead.")]
WildcardsFolder = Annotated[
    Path | None,
    typer.Option("--wildcards", metavar="FOLDER", help="Lists for __name__ [wildcards].", show_default=False),
]
StylesFile = Annotated[
    Path | None,
    typer.Option("--styles", metavar="FILE", help="Named prompts, as A1111's [styles.csv].", show_default=False),
]

app = group("Find words for prompts; make choices in prompts.")


app.command("explain", cls=GroupedCommand)(explain.explain)


@app.command("tags", cls=GroupedCommand)
def tags(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="WORDS", help="English or Korean, or parts of them [all].", show_default=False),
    ] = None,
    category: Annotated[
        str | None, typer.Option("--category", "-c", metavar="NAME", help="Tags of one category.", show_default=False)
    ] = None,
    categories: Annotated[bool, typer.Option("--categories", help="List the categories instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find words to put into a prompt, the best first."""
    from easel.core.errors import RequestError
    from easel.prompt.catalogue import load_catalogue, search

    wanted = " ".join(words or ())
    if categories:
        if wanted or category:
            raise RequestError("--categories lists all categories; leave out the words and --category.")
        show_categories(load_catalogue().categories, as_json=as_json)
        return
    found = search(wanted, category=category)
    if not found:
        raise RequestError(f"no tag holds {wanted!r}{f' in {category}' if category else ''}; try a part of the word.")
    if as_json:
        from dataclasses import asdict

        from easel.cli.display import json_line

        for entry in found:
            print(json_line(asdict(entry)))
    else:
        show_tags(found, in_korean=any("가" <= letter <= "힣" for letter in wanted), with_category=category is None)


def show_categories(categories: tuple[Category, ...], *, as_json: bool) -> None:
    """Print the categories with how many tags each holds."""
    from easel.cli.display import json_line
    from easel.cli.layout import console, show, table

    shown = table("name", "category", "korean", "tags")
    shown.columns[-1].justify = "right"
    for one in categories:
        count = len(one.entries)
        if as_json:
            print(json_line({"name": one.name, "english": one.english, "korean": one.korean, "tags": count}))
        shown.add_row(one.name, one.english, one.korean, str(count))
    if not as_json:
        show(console(), shown)


def show_tags(entries: tuple[Entry, ...], *, in_korean: bool, with_category: bool) -> None:
    """Print tags in columns, that of notes only where there are some; in_korean: notes in Korean."""
    from easel.cli.layout import console, show, table

    columns = {"tag": [entry.tag for entry in entries], "korean": [entry.korean for entry in entries]}
    if with_category:
        columns["category"] = [entry.category for entry in entries]
    notes = [entry.korean_note if in_korean else entry.note for entry in entries]
    shown = table(*columns, *(["note"] if any(notes) else []))
    for column in shown.columns[: len(columns)]:
        column.no_wrap = True
    for *cells, note in zip(*columns.values(), notes, strict=True):
        shown.add_row(*cells, *([note] if any(notes) else []))
    show(console(), shown)


@app.command("expand", cls=GroupedCommand)
def expand(
    prompts: Annotated[
        list[str], typer.Argument(metavar="PROMPT", help="With {a|b} and __wildcards__; quote each prompt.")
    ],
    negative: Annotated[
        str, typer.Option("--negative", "-n", metavar="TEXT", help="Its negative prompt.", show_default=False)
    ] = "",
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="The same seed makes the same choices [random].")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", metavar="N", help="Seeds N, N+1, ... [1]; with --all, at most [1000].")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every combination, in order.")] = False,
    style: Annotated[
        list[str] | None,
        typer.Option("--style", metavar="NAME", help="Add a style; may be given again.", show_default=False),
    ] = None,
    wildcards: WildcardsFolder = None,
    styles: StylesFile = None,
    as_json: AsJson = False,
) -> None:
    """Make the choices in prompts, and print a prompt a line.

    {red|blue} {2$$a|b|c} {3::often|seldom} __list__; a \\ before a brace keeps it. Styles come first.
    """
    from easel.cli.display import json_line
    from easel.cli.wishes import seed_of
    from easel.core.errors import BadValue
    from easel.prompt.styles import named

    if count is not None and count < 1:
        raise BadValue("--count", count, "at least 1")
    if every and seed is not None:
        raise BadValue("--seed", seed, "left out with --all, which makes every choice")
    known = open_styles(styles) if style else {}
    chosen = [named(name, known) for name in style or ()]
    drawn = seed_of(seed) is None and not every  # the seed is told, so that what was liked can be had again
    said = ""
    for found in expansions(prompts, negative, chosen, wildcards, seed=seed, count=count, every=every):
        if as_json:
            print(json_line(found))
            continue
        if drawn:
            say(f"seed {found['seed']}")
            drawn = False
        print(" ".join(found["prompt"].split("\n")))
        if found["negative_prompt"] != said:
            said = found["negative_prompt"]
            say(f"negative prompt: {said}")


def expansions(
    prompts: list[str],
    negative: str,
    styles: list[Style],
    folder: Path | None,
    *,
    seed: int | None,
    count: int | None,
    every: bool,
) -> Iterator[dict[str, Any]]:
    """Yield what each prompt expands to; says on stderr where a list was cut short."""
    import random

    from easel.cli.wishes import seed_of
    from easel.core.request import RANDOM_SEEDS
    from easel.prompt.expand import combinations, expanded

    lists = open_wildcards(folder)
    start = seed_of(seed)
    start = random.randrange(RANDOM_SEEDS) if start is None else start
    for prompt in prompts:
        if every:
            limit = count or MOST_COMBINATIONS
            pairs = combinations(prompt, negative, styles=styles, wildcards=lists, limit=limit + 1)
            for place, (text, other) in enumerate(pairs):
                if place == limit:
                    say(f"there are more than {limit}; --count N prints more.")
                    break
                yield {"prompt": text, "negative_prompt": other}
        else:
            for one in range(start, start + (count or 1)):
                text, other = expanded(prompt, negative, styles=styles, wildcards=lists, seed=one)
                yield {"prompt": text, "negative_prompt": other, "seed": one}


@app.command("styles", cls=GroupedCommand)
def list_styles(styles: StylesFile = None, as_json: AsJson = False) -> None:
    """List styles: what they add to prompts."""
    from dataclasses import asdict

    from easel.cli.display import json_line
    from easel.cli.layout import console, show, table
    from easel.core.settings import read_settings

    found = open_styles(styles)
    if as_json:
        for style in found.values():
            print(json_line(asdict(style)))
    elif found:
        shown = table("name", "prompt", "negative prompt")
        for style in found.values():
            shown.add_row(style.name, style.prompt, style.negative)
        show(console(), shown)
    else:
        where = styles or read_settings().styles
        say_error(f"no styles; {where.absolute()} would hold them (EASEL_STYLES names another file).")


@app.command("wildcards", cls=GroupedCommand)
def list_wildcards(wildcards: WildcardsFolder = None, as_json: AsJson = False) -> None:
    """List wildcards: names and number of entries."""
    from easel.cli.display import json_line
    from easel.cli.layout import console, show, table
    from easel.core.errors import EaselError

    found = open_wildcards(wildcards)
    if not found.names:
        say_error(
            f"no wildcards; put text files into {found.folder.absolute()} (EASEL_WILDCARDS names another folder)."
        )
        return
    shown = table("wildcard", "entries")
    shown.columns[-1].justify = "right"
    codes: list[int] = []
    for name in found.names:
        try:
            count = len(found.lookup(name).options)
        except EaselError as error:
            codes.append(code_for(error))
            say_error(error.message)
            continue
        if as_json:
            print(json_line({"name": name, "entries": count}))
        shown.add_row(f"__{name}__", str(count))
    if not as_json:
        show(console(), shown)
    if codes:
        raise typer.Exit(worst(codes))


def open_styles(path: Path | None) -> dict[str, Style]:
    """Return the styles of a file that was named, or of the settings' file if it exists."""
    from easel.core.settings import read_settings
    from easel.prompt.styles import read_styles

    if path is None:
        path = read_settings().styles
        if not path.exists():
            return {}
    return read_styles(path)


def open_wildcards(folder: Path | None) -> Any:
    """Return the wildcards of a folder that was named, which must exist, or of the settings' folder."""
    from easel.core.errors import BadValue
    from easel.core.settings import read_settings
    from easel.prompt.wildcards import Wildcards

    if folder is not None and not folder.is_dir():
        raise BadValue("--wildcards", str(folder), "a folder that exists")
    return Wildcards(folder or read_settings().wildcards)
