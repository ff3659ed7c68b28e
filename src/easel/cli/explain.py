"""`easel prompt explain`: what of a prompt holds when, with its weights and chunks, drawn over the steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from easel.core.errors import BadValue, ModelError, RequestError

if TYPE_CHECKING:
    from easel.models.library.names import Library
    from easel.models.words.tokens import Reader
    from easel.prompt.plan import Held

WIDEST = 60  # columns of a bar
MOST_STEPS = 1000


def explain(
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="The prompt to explain.", show_default=False)],
    steps: Annotated[int, typer.Option("--steps", metavar="N", help="Steps of the sampler.")] = 20,
    hires_steps: Annotated[
        int | None, typer.Option("--hires-steps", metavar="N", help="Show the second pass of a hires fix instead.")
    ] = None,
    sampler: Annotated[
        str | None, typer.Option("--sampler", metavar="NAME", help="Some make two calls a step [Euler].")
    ] = None,
    model: Annotated[str, typer.Option("--model", "-m", metavar="NAME", help="Whose tokens to count.")] = "starter",
    old_editing: Annotated[bool, typer.Option("--old-editing", help="Time as A1111 did before 1.6.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Draw what holds at which step, with weights and chunks."""
    from easel.cli.display import json_line
    from easel.cli.layout import console
    from easel.core.settings import read_settings
    from easel.models.library.names import Library
    from easel.models.words.tokens import load_reader
    from easel.sampling import samplers, split_joint_name

    for flag, given in (("--steps", steps), ("--hires-steps", hires_steps)):
        if given is not None and not 1 <= given <= MOST_STEPS:
            raise BadValue(flag, given, f"1 to {MOST_STEPS}")
    entry = samplers[split_joint_name(sampler or "Euler")[0]]
    each = 2 if entry.facts["second_order"] else 1
    library = Library(read_settings())
    folder, _ = library.where(model)
    said = facts_of(prompt, steps * each, hires_steps and hires_steps * each, old_editing, load_reader(folder))
    facts = {**said, "networks": networks_in(prompt, library), "embeddings": embeddings_of(prompt, library)}
    if as_json:
        print(json_line({"calls_a_step": each, **facts}))
    else:
        draw(facts, each, console().width)


def facts_of(prompt: str, base: int, hires: int | None, old: bool, reader: Reader) -> dict[str, Any]:
    """Return what a prompt says over the calls of a pass: its parts, and for each text its calls and chunks."""
    from easel.core.passes import Words
    from easel.core.work import Text
    from easel.prompt.networks import split_networks
    from easel.prompt.plan import plan, strip_comments

    text, _ = split_networks(strip_comments(prompt))
    calls = hires or base
    parts = plan(text, calls, base_calls=base if hires else None, old=old)
    words = Words()
    return {
        "calls": calls,
        "parts": [
            {
                "weight": part.weight,
                "texts": [
                    {
                        "text": said,
                        "calls": when,
                        "chunks": [
                            {"tokens": len(reader.inside(chunk)), "words": reader.spelled(chunk)}
                            for chunk in reader.chunks(Text(said, words))
                        ],
                    }
                    for said, when in times(part.held, calls).items()
                ],
            }
            for part in parts
        ],
    }


def networks_in(prompt: str, library: Library) -> list[dict[str, Any]]:
    """Return the networks that a prompt names, with the file of each, None where there is none, or what is wrong."""
    from easel.prompt.networks import lora_of, split_networks
    from easel.prompt.plan import strip_comments

    found: list[dict[str, Any]] = []
    for tag in split_networks(strip_comments(prompt))[1]:
        file = problem = None
        try:
            file = str(library.find_file("lora", lora_of(tag).name))
        except RequestError as error:
            problem = error.message
        found.append({"kind": tag.kind, "name": tag.name, "file": file, "problem": problem})
    return found


def embeddings_of(prompt: str, library: Library) -> list[dict[str, Any]]:
    """Return the embeddings that a prompt names: how many vectors each has, and of which widths, or what is wrong."""
    from easel.prompt.embeddings import embeddings_in
    from easel.prompt.networks import split_networks
    from easel.prompt.plan import strip_comments

    found: list[dict[str, Any]] = []
    for name in embeddings_in(split_networks(strip_comments(prompt))[0], library.embeddings()):
        one: dict[str, Any] = {"name": name, "vectors": None, "widths": [], "problem": None}
        try:
            file = library.find_file("embedding", name)
            from easel.adapters.embedding import read_embedding

            embedding = read_embedding(file)
            one |= {"vectors": embedding.count, "widths": sorted(embedding.vectors)}
        except (RequestError, ModelError) as error:
            one["problem"] = error.message
        found.append(one)
    return found


def times(held: Sequence[Held], calls: int) -> dict[str, list[int]]:
    """Return each text with the calls, from 0, at which it holds; those that never do are left out."""
    from easel.prompt.plan import held_at

    found: dict[str, list[int]] = {}
    for call in range(calls):
        found.setdefault(held[held_at(held, call)].text, []).append(call)
    return found


def draw(facts: dict[str, Any], each: int, width: int) -> None:
    """Print the facts: a bar for each text over the calls, and its chunks below."""
    calls = facts["calls"]
    columns = min(calls, WIDEST, max(width - 20, 10))
    unit = "steps" if each == 1 else "calls, two a step"
    print(f"{calls} {unit}")
    for one in facts["networks"]:
        print(f"{one['kind']} {one['name']}: {one['file'] or one['problem']}")
    for one in facts["embeddings"]:
        widths = " and ".join(map(str, one["widths"]))
        count = f"{one['vectors']} vector{'s' if one['vectors'] != 1 else ''} of width {widths}"
        print(f"embedding {one['name']}: {one['problem'] or count}")
    for number, part in enumerate(facts["parts"], 1):
        if len(facts["parts"]) > 1 or part["weight"] != 1:
            print(f"\npart {number}, weight {part['weight']:g}")
        for text in part["texts"]:
            print(f"\n{bar(text['calls'], calls, columns)}  {spans(text['calls'])}")
            for place, chunk in enumerate(text["chunks"], 1):
                head = f"chunk {place}: " if len(text["chunks"]) > 1 else ""
                print(f"  {head}{' '.join(weighed(chunk['words'])) or '(empty)'}  [{chunk['tokens']} of 75 tokens]")


def bar(calls: Sequence[int], total: int, columns: int) -> str:
    """Return a bar of `columns` cells, filled where most of a cell's calls are among `calls`."""
    held = set(calls)
    cells: list[str] = []
    for column in range(columns):
        some = range(column * total // columns, max((column + 1) * total // columns, column * total // columns + 1))
        share = sum(call in held for call in some) / len(some)
        cells.append("█" if share > 0.5 else "▌" if share > 0 else "·")
    return "".join(cells)


def spans(calls: Sequence[int]) -> str:
    """Return calls, counted from 1 as people do, as spans: 1-9, or 1, 3, 5 ... where they alternate."""
    runs: list[list[int]] = []
    for call in calls:
        if runs and call == runs[-1][1] + 1:
            runs[-1][1] = call
        else:
            runs.append([call, call])
    shown = [f"{a + 1}" if a == b else f"{a + 1}-{b + 1}" for a, b in runs]
    return ", ".join(shown[:4]) + (" ..." if len(shown) > 4 else "")


def weighed(spelled: Sequence[tuple[str, float]]) -> list[str]:
    """Return the words of a chunk, runs of one weight together: a (red:1.21) fox."""
    runs: list[tuple[list[str], float]] = []
    for word, weight in spelled:
        if runs and runs[-1][1] == weight:
            runs[-1][0].append(word)
        else:
            runs.append(([word], weight))
    return [text if weight == 1 else f"({text}:{weight:.4g})" for words, weight in runs if (text := " ".join(words))]
