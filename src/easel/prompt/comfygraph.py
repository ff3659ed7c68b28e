"""ComfyUI's graph of nodes, as its pictures keep it in a text called "prompt" (API format): nodes, values and links.

Knows JSON and links; what nodes mean stands in prompt/comfy.py. Whatever the text holds, reading ends: graphs are
walked through with a bounded number of looks.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from easel.core.errors import BadValue

WHAT = "ComfyUI graph"
LONGEST = 4_000_000  # characters
LOOKS = 20_000  # at nodes, in all; ordinary graphs take some dozens


@dataclass(frozen=True, slots=True)
class Node:
    """One node: its number, its class, and what its inputs are: values, or links [number, output]."""

    id: str
    kind: str
    inputs: Mapping[str, Any]

    @property
    def title(self) -> str:
        """How the node is called in a message."""
        return f"{self.kind} {self.id}"


@dataclass(slots=True)
class Graph:
    """The nodes by number; `used` are those that were understood, `looks` how many more may be taken."""

    nodes: Mapping[str, Node]
    used: set[str] = field(default_factory=set[str])
    looks: int = LOOKS

    def link(self, node: Node, name: str) -> tuple[Node, int] | None:
        """Return the node that an input comes from and which of its outputs, None where there is no such link.

        Raises BadValue for a graph that leads nowhere or goes in circles.
        """
        self.looks -= 1
        if self.looks < 0:
            raise BadValue(WHAT, f"more than {LOOKS} steps", "a graph without circles")
        place = linked(node.inputs.get(name))
        if place is None:
            return None
        found = self.nodes.get(place[0])
        if found is None:
            raise BadValue(WHAT, f"a link of {node.title} to {place[0]}", "links between its nodes")
        return found, place[1]

    def before(self, node: Node, *names: str) -> Node | None:
        """Return the node that the first of these inputs that is a link comes from."""
        for name in names:
            found = self.link(node, name)
            if found is not None:
                return found[0]
        return None

    def value(self, node: Node, name: str) -> Any:
        """Return an input's value, looked up through nodes that only hold one; None where none is found."""
        value: Any = node.inputs.get(name)
        while (found := self.link(node, name)) is not None:
            node = found[0]
            name = next((known for known in ("value", "text", "string", "int", "float") if known in node.inputs), "")
            value = node.inputs.get(name)
            self.used.add(node.id)
        return value

    def upstream(self, node: Node) -> Iterator[Node]:
        """Yield a node and all that it depends on, nearest first, each once."""
        seen, waiting = {node.id}, deque([node])
        while waiting:
            node = waiting.popleft()
            yield node
            for name in node.inputs:
                found = self.link(node, name)
                if found is not None and found[0].id not in seen:
                    seen.add(found[0].id)
                    waiting.append(found[0])


def linked(value: Any) -> tuple[str, int] | None:
    """Return the node and the output that an input's value links to, None where it is no link."""
    match value:
        case [str() | int() as node, int() as output]:
            return str(node), output
        case _:
            return None


def read_graph(text: str) -> Graph:
    """Return the graph that a "prompt" text holds. Raises BadValue for any other text."""
    allowed = "the JSON of nodes that ComfyUI writes as 'prompt'"
    if len(text) > LONGEST:
        raise BadValue(WHAT, f"{len(text)} characters", f"at most {LONGEST}")
    try:
        held: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise BadValue(WHAT, text, allowed) from None
    if not isinstance(held, dict):
        raise BadValue(WHAT, text, allowed)
    nodes: dict[str, Node] = {}
    for id, node in cast("dict[str, Any]", held).items():
        if not isinstance(node, dict):
            continue
        facts = cast("dict[str, Any]", node)
        kind, inputs = facts.get("class_type"), facts.get("inputs")
        if isinstance(kind, str) and isinstance(inputs, dict):
            nodes[id] = Node(id, kind, cast("dict[str, Any]", inputs))
    if not nodes:
        raise BadValue(WHAT, text, allowed)
    return Graph(nodes)
