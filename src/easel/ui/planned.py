"""What of a prompt holds at which step, drawn; and how many tokens of a chunk it fills.

Returns HTML in which every word of a person is escaped. Knows prompts and the library's tokenizers, and no widgets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from easel.core.errors import EaselError
from easel.core.passes import Words as Reading
from easel.core.work import Text
from easel.models.library.names import Library
from easel.prompt.networks import split_networks
from easel.prompt.plan import Held, Part, held_at, parts, plan, strip_comments
from easel.prompt.styles import PLACE
from easel.ui.words import Words

if TYPE_CHECKING:
    from easel.models.words.tokens import Reader

USUAL_STEPS = 20  # where no number is given
ROOM = 75  # tokens of a chunk
MOST_DRAWN = 12  # texts; of a prompt that changes at every step the rest is counted


class Tokens:
    """Counts tokens as a model's text encoder does; each model's tokenizer is read once."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._readers: dict[Path, Reader] = {}

    def count(self, text: str, model: str) -> tuple[int, int] | None:
        """Return the tokens of a text in its last chunk and the number of its chunks; None where nobody can tell."""
        from easel.models.words.tokens import load_reader

        try:
            folder = self._library.where(model)[0]
            if folder not in self._readers:
                self._readers[folder] = load_reader(folder)
            chunks = self._readers[folder].chunks(Text(text, Reading()))
            return len(self._readers[folder].inside(chunks[-1])), len(chunks)
        except EaselError:
            return None


def counted(tokens: Tokens, prompt: str, model: str) -> str:
    """Return how full a prompt's chunks are, as "12/75" or "2 × 75 + 12/75"; of AND's parts the longest. "" unknown."""
    text = split_networks(strip_comments(prompt))[0].replace(PLACE, "")
    found = [count for part, _ in parts(text) if (count := tokens.count(part, model))]
    if not found:
        return ""
    inside, chunks = max(found, key=lambda one: (one[1], one[0]))
    return f"{(chunks - 1) * ROOM + inside}/{chunks * ROOM}"


def drawn(prompt: str, steps: int | None, calls_a_step: int, say: Words) -> str:
    """Return a prompt's plan as HTML: for each text a bar over the steps; "" where one text holds all the time."""
    calls = (steps or USUAL_STEPS) * calls_a_step
    found = plan(split_networks(strip_comments(prompt))[0], calls)
    if len(found) == 1 and len(found[0].held) == 1 and found[0].weight == 1:
        return ""
    rows = [row for part in found for row in rows_of(part, calls, len(found) > 1)]
    more = len(rows) - MOST_DRAWN
    tail = f'<p class="note">{escape(say("form.plan_more", count=more))}</p>' if more > 0 else ""
    title = escape(say("form.plan", steps=calls // calls_a_step))
    bars = "".join(rows[:MOST_DRAWN])
    return f'<div class="plan" role="group" aria-label="{title}"><p class="note">{title}</p>{bars}{tail}</div>'


def rows_of(part: Part, calls: int, weighed: bool) -> Iterable[str]:
    """Yield a bar with its text for every text of a part, in the order in which they first hold."""
    for text, spans in times(part.held, calls).items():
        marks = "".join(
            f'<i style="left:{first / calls:.2%};width:{(last - first) / calls:.2%}"></i>' for first, last in spans
        )
        weight = f"<b>{part.weight:g}</b> " if weighed or part.weight != 1 else ""
        words = escape(text.strip()) or "&empty;"
        yield f'<div class="row"><span class="bar">{marks}</span><span>{weight}{words}</span></div>'


def times(held: Sequence[Held], calls: int) -> dict[str, list[tuple[int, int]]]:
    """Return each text with the spans of calls, from and before, in which it holds."""
    found: dict[str, list[tuple[int, int]]] = {}
    for call in range(calls):
        spans = found.setdefault(held[held_at(held, call)].text, [])
        if spans and spans[-1][1] == call:
            spans[-1] = (spans[-1][0], call + 1)
        else:
            spans.append((call, call + 1))
    return found
