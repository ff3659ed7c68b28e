"""A prompt and a negative prompt as typed to the ones that are drawn: styles first, then choices and wildcards.

Doors expand once, before they make a request; what comes out is plain text with emphasis, and expanding it again would
take escaped braces for choices.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from easel.core.errors import BadValue, RequestError
from easel.prompt.dynamic import Lookup, draw, lazy_product, outcomes, varies
from easel.prompt.styles import LONGEST, Style, styled
from easel.prompt.wildcards import Wildcards

NO_WILDCARDS = Wildcards(None)


def expanded(
    prompt: str, negative: str = "", *, styles: Iterable[Style] = (), wildcards: Wildcards = NO_WILDCARDS, seed: int
) -> tuple[str, str]:
    """Return the prompt and the negative prompt that `seed` draws, the same for the same texts and files.

    The two draw independently: changing one leaves what the other picks. Raises RequestError for an unknown wildcard,
    a cycle of them, a file that cannot be read, or texts that grow too long.
    """
    prompt, negative = prepared(prompt, negative, styles)
    return draw(prompt, f"{seed} prompt", wildcards.lookup), draw(negative, f"{seed} negative", wildcards.lookup)


def combinations(
    prompt: str,
    negative: str = "",
    *,
    styles: Iterable[Style] = (),
    wildcards: Wildcards = NO_WILDCARDS,
    limit: int,
) -> Iterator[tuple[str, str]]:
    """Yield every combination in order, the last choice varying first and the negative prompt's before the prompt's.

    Lazy: nothing is held but the one at hand. limit: at most so many. Raises as expanded does, when it comes up.
    """
    prompt, negative = prepared(prompt, negative, styles)
    for count, (first, second) in enumerate(both(prompt, negative, wildcards.lookup), start=1):
        if count > limit:
            return
        yield first, second


def both(prompt: str, negative: str, lookup: Lookup) -> Iterator[list[str]]:
    """Yield every outcome of both texts; the list is the same one every time."""
    return lazy_product([lambda: outcomes(prompt, lookup), lambda: outcomes(negative, lookup)])


def prepared(prompt: str, negative: str, styles: Iterable[Style]) -> tuple[str, str]:
    """Return both texts with their styles. Raises BadValue for a text that is too long."""
    for field, text in (("prompt", prompt), ("negative prompt", negative)):
        if len(text) > LONGEST:
            raise BadValue(field, text, f"at most {LONGEST} characters before it is expanded")
    return styled(prompt, negative, styles)


def has_choices(text: str) -> bool:
    """Return whether a text would vary: a wildcard, or a choice of more than one outcome.

    True as well for a text that expanding would refuse, so that whoever asks goes on to the reason. A text that does
    not vary may still change when expanded: `{a}` becomes `a`, and an escaped brace loses its backslash.
    """
    try:
        return varies(text)
    except RequestError:
        return True
