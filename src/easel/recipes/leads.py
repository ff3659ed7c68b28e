"""What leads a pass: prompts over time, encoded once and looked up at every call.

Knows the plan of a prompt and a model's encode; knows no latents.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any

from easel.core.errors import BadValue, Unsupported
from easel.core.request import Request
from easel.core.work import Encode, Text, Work
from easel.models.conditioning import Conditioning
from easel.models.family import Model
from easel.prompt.embeddings import embeddings_in
from easel.prompt.networks import split_networks
from easel.prompt.plan import Held, held_at, parts, plan, plan_negative, strip_comments

MOST_PARTS = 64  # prompts joined by AND; each is a row of every forward


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """One prompt over the calls of a pass, and the conditioning of each of its texts."""

    held: tuple[Held, ...]
    conditionings: tuple[Conditioning, ...]

    def at(self, call: int) -> Conditioning:
        """Return what leads at model call number `call`, from 0."""
        return self.conditionings[held_at(self.held, call)]


@dataclass(frozen=True, slots=True, eq=False)
class Lead:
    """What leads every picture of a request: its positives with their weights, and what to lead away from."""

    positives: tuple[Course, ...]
    weights: tuple[float, ...]
    negative: Course


def encode(request: Request, model: Model, calls: int, *, base_calls: int | None = None) -> Generator[Work, Any, Lead]:
    """Ask for the conditionings of all that a request's prompts say over a pass of `calls` model calls.

    base_calls: calls of the first pass, where this is the second.
    """
    old = request.words.old_editing
    joined = plan(bare(request.prompt), calls, base_calls=base_calls, old=old)
    negative = plan_negative(bare(request.negative_prompt), calls, base_calls=base_calls, old=old)
    courses = [*(part.held for part in joined), negative]
    texts = list(dict.fromkeys(held.text for course in courses for held in course))
    found = yield Encode(model, tuple(Text(text, request.words) for text in texts), request.alone)
    known = dict(zip(texts, found, strict=True))

    *positives, away = (Course(course, tuple(known[held.text] for held in course)) for course in courses)
    return Lead(tuple(positives), tuple(part.weight for part in joined), away)


def bare(prompt: str) -> str:
    """Return a prompt without its comments and extra networks."""
    return split_networks(strip_comments(prompt))[0]


def check_words(request: Request, embeddings: Iterable[str] = ()) -> None:
    """Raise Unsupported, by name, for extra networks and embeddings; BadValue for too many ANDs.

    embeddings: the names of those that there are. No adapter can honour either yet.
    """
    embeddings = tuple(embeddings)
    prompts = [request.prompt, request.negative_prompt]
    prompts += [request.hires.prompt, request.hires.negative_prompt] if request.hires else []
    for prompt in prompts:
        if (count := len(parts(prompt))) > MOST_PARTS:
            raise BadValue("prompt", f"{count} parts joined by AND", f"at most {MOST_PARTS}")
        for tag in split_networks(strip_comments(prompt))[1]:
            raise Unsupported(f"<{tag.kind}:{tag.name}> cannot be used yet; take it out of the prompt.")
        for name in embeddings_in(strip_comments(prompt), embeddings):
            raise Unsupported(f"the embedding {name} cannot be used yet; take it out of the prompt.")
