"""Whether networks are merged into a model or worn by rows: a pure rule over what runs now.

Merged costs a switch and then nothing; by rows there is no switch, and every forward costs a little more. Knows no
torch and no files: a wearing is any hashable name for what a row wears, None for nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

Wearing = Hashable | None


@dataclass(frozen=True, slots=True)
class Costs:
    """What wearing costs, in forwards of one row: measured by benchmarks/lora.py, on two cores.

    switch: merging one wearing, or taking it off. extra: what a row that wears something by rows costs more, of
    itself.
    """

    switch: float = 0.5
    extra: float = 0.1


PRODUCTS = 0.05  # what a row's own products cost more, of a forward: low ranks beside whole weights
CALLS = 2e5  # what calling one worn layer costs more, in the weights that a forward reads in that time


def costs_of(layers: int, weights: int) -> Costs:
    """Return what it costs that a part of so many weights wears something on so many of its layers.

    The time to call a worn layer does not shrink with the model: what is a tenth of a forward of Stable Diffusion 1.5
    is more than a whole one of the starter.
    """
    return Costs(extra=PRODUCTS + CALLS * layers / max(weights, 1))


@dataclass(frozen=True, slots=True)
class Choice:
    """What to do before the next forward: what is to be merged, None for nothing, or whether rows wear their own."""

    merged: Wearing
    by_rows: bool


def choose(merged: Wearing, rows: Sequence[tuple[Wearing, int]], costs: Costs | None = None) -> Choice:
    """Return how the pending rows are to wear what they wear.

    merged: what is merged now. rows: of each pending row what it wears and how many forwards it has still to come.
    Rows that all wear the same have it merged where it is merged already, or where what they save pays for merging it
    and taking it off again; otherwise by rows, as rows do that wear unlike things. What is merged now and not wanted
    comes off in every case, so it does not count.
    """
    costs = costs or Costs()
    wearings = {wearing for wearing, _ in rows}
    if not wearings or wearings == {None}:
        return Choice(None, by_rows=False)
    if len(wearings) > 1:
        return Choice(None, by_rows=True)
    (wearing,) = wearings
    if wearing == merged:
        return Choice(merged, by_rows=False)
    saved = costs.extra * sum(forwards for _, forwards in rows)
    pays = saved > 2 * costs.switch  # on, and off again
    return Choice(wearing, by_rows=False) if pays else Choice(None, by_rows=True)
