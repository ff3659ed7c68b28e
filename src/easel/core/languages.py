"""Which language to speak to a browser in. Knows no texts."""

from __future__ import annotations

from collections.abc import Sequence


def preferred(asked: str, known: Sequence[str]) -> str:
    """Return the language of `known` that an Accept-Language header (RFC 9110) asks for most, the first for any other.

    Only primary tags count: "ko-KR" asks for "ko".
    """
    found: list[tuple[float, int, str]] = []
    for place, part in enumerate(asked[:1000].split(",")):
        tag, _, rest = part.strip().partition(";")
        language = tag.strip().casefold().split("-")[0]
        if language in known and (weight := weight_in(rest)) > 0:
            found.append((-weight, place, language))
    return min(found)[2] if found else known[0]


def weight_in(rest: str) -> float:
    """Return the weight in what follows a tag, `q=0.8`; 1 where none is said, 0 for nonsense."""
    name, _, value = rest.partition("=")
    if not rest.strip():
        return 1.0
    if name.strip().casefold() != "q" or not value.strip().replace(".", "", 1).isdecimal():
        return 0.0
    return min(float(value), 1.0)
