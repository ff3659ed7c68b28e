"""From a request as it was typed to the requests that are drawn: styles laid on, wildcards and choices made.

Doors call this once for every request; what it returns holds no choices any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from easel.core.request import Request
from easel.prompt.expand import NO_WILDCARDS, expanded, has_choices
from easel.prompt.styles import Style
from easel.prompt.wildcards import Wildcards


def spoken(request: Request, *, styles: Sequence[Style] = (), wildcards: Wildcards = NO_WILDCARDS) -> list[Request]:
    """Return the requests of a settled request: itself, or one for each picture where words are left to choice.

    Each picture draws its words by its own seed, so it has them alone too; a clip has one choice for all its frames.
    """
    typed = [
        request.prompt,
        request.negative_prompt,
        *(text for style in styles for text in (style.prompt, style.negative)),
    ]
    if request.hires is not None:
        typed += [request.hires.prompt, request.hires.negative_prompt]
    clip = request.motion is not None
    whole = clip or request.batch_size == 1 or not any(has_choices(text) for text in typed)
    parts = [request] if whole else [request.one(picture) for picture in range(request.batch_size)]
    return [with_words(part, styles, wildcards) for part in parts]


def with_words(request: Request, styles: Iterable[Style], wildcards: Wildcards) -> Request:
    """Return a request with its choices made by its first picture's seed."""
    seed = request.variation_seeds[0] if request.variation.strength else request.seeds[0]
    prompt, negative = expanded(request.prompt, request.negative_prompt, styles=styles, wildcards=wildcards, seed=seed)
    hires = request.hires
    if hires is not None and (hires.prompt or hires.negative_prompt):
        again, away = expanded(hires.prompt, hires.negative_prompt, wildcards=wildcards, seed=seed)
        hires = hires.changed(prompt=again, negative_prompt=away)
    return request.changed(prompt=prompt, negative_prompt=negative, hires=hires)
