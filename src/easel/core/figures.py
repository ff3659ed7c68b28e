"""What an engine counts while it works, for whoever watches the house: numbers only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


def nothing() -> Mapping[str, float]:
    """Return no figures."""
    return {}


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts since the engine began, by kind of work ("Evaluate", "Decode" ...).

    running: runs in flight now. forwards: calls of a model. rows: rows of all of them. seconds: what they took.
    memory: bytes, by where ("device_used", "device_total"); empty where the machine's own memory is all there is.
    """

    running: int = 0
    forwards: Mapping[str, float] = field(default_factory=nothing)
    rows: Mapping[str, float] = field(default_factory=nothing)
    seconds: Mapping[str, float] = field(default_factory=nothing)
    memory: Mapping[str, float] = field(default_factory=nothing)
