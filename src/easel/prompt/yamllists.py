"""YAML wildcard files: nested mappings to lists of entries, read from parse events with every bound kept.

Only texts, lists and mappings mean anything here; aliases are refused, so that a small file cannot stand for a huge
one, and no object is ever built from a tag.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from easel.core.errors import BadValue
from easel.prompt.choices import WEIGHT

DEEPEST = 16  # mappings and lists within one another
SEPARATOR = "/"

Node = str | list["Node"] | dict[str, "Node"]


def read_lists(text: str, file: str, *, alone: str) -> Iterator[tuple[str, list[str]]]:
    """Yield name and entries of every list in a YAML text: keys joined by "/".

    alone: the name of a list that stands in no mapping. file: what messages call it. A text in place of a list
    is a list of one; an entry may be a mapping of "text" (or "content") and "weight". Raises BadValue.
    """
    yield from lists_of(parsed(text, file), (), file, alone)


def lists_of(node: Node, keys: tuple[str, ...], file: str, alone: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the lists under one node."""
    match node:
        case dict():
            for key, value in node.items():
                yield from lists_of(value, (*keys, key.strip()), file, alone)
        case list():
            yield SEPARATOR.join(keys) or alone, [entry for one in node if (entry := entry_of(one, file))]
        case str():
            if node.strip():
                yield SEPARATOR.join(keys) or alone, [node.strip()]


def entry_of(node: Node, file: str) -> str:
    """Return one entry of a list as a text file would write it. Raises BadValue for a list in a list."""
    match node:
        case str():
            return node.strip()
        case dict():
            text, weight = node.get("text", node.get("content")), node.get("weight", "")
            if isinstance(text, str) and not node.keys() - {"text", "content", "weight"}:
                if not weight:
                    return text.strip()
                if isinstance(weight, str) and WEIGHT.fullmatch(f"{weight}::"):
                    return f"{weight}::{text.strip()}"
        case list():
            pass
    raise BadValue(f"an entry of {file}", node, "text, or a mapping of text and weight")


def parsed(text: str, file: str) -> Node:
    """Return a YAML text as lists, mappings and texts; what comes second under one key holds.

    Raises BadValue for what is no YAML, an alias, or nesting beyond DEEPEST.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same in C, where libyaml is there
    root: list[Node] = []
    opened: list[list[Node] | dict[str, Node]] = [root]
    keys: list[str | None] = [None]

    def add(node: Node) -> None:
        inside = opened[-1]
        if isinstance(inside, list):
            inside.append(node)
        elif keys[-1] is not None:
            inside[keys[-1]] = node
            keys[-1] = None
        elif isinstance(node, str):
            keys[-1] = node
        else:
            raise BadValue(f"a key in {file}", node, "text")

    try:
        for event in cast("Iterator[Any]", yaml.parse(text, Loader=loader)):  # type: ignore[reportUnknownMemberType]
            where = f"{file} line {event.start_mark.line + 1}"
            match event:
                case yaml.ScalarEvent():
                    add("" if event.implicit[0] and event.value in ("~", "null") else event.value)
                case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                    made: list[Node] | dict[str, Node] = {} if isinstance(event, yaml.MappingStartEvent) else []
                    add(made)
                    if len(opened) > DEEPEST:
                        raise BadValue(where, "nested deeper", f"nesting at most {DEEPEST} deep")
                    opened.append(made)
                    keys.append(None)
                case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                    opened.pop()
                    keys.pop()
                case yaml.AliasEvent():
                    raise BadValue(where, f"*{event.anchor}", "YAML without aliases")
                case _:
                    pass
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file} line {mark.line + 1}" if mark else file
        raise BadValue(where, getattr(error, "problem", None) or str(error), "YAML") from None
    return root[0] if root else {}
