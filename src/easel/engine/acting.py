"""One forward in which adapters act on rows, and rows leave things in their memories and take others from them.

Knows rows; knows no adapter and no shortcut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from torch import Tensor

from easel.core.work import Act, RowAdapter, Rows, Shortcut


def predicted(model: Any, rows: Rows) -> Tensor:
    """Return what a model predicts of rows, led by their acts, their shortcuts taken: (n, channels, height, width).

    Shortcuts stand around what acts do: what is kept of a layer is what it gives with them.
    """
    with ExitStack() as stack:
        told: dict[str, Tensor] = {}
        for adapter, acts in layers(rows.acts):
            for name, value in stack.enter_context(adapter.acting(model, rows, acts)).items():
                told[name] = told[name] + value if name in told else value
        kept = [dict(row) for row in rows.keeps]
        for shortcut in dict.fromkeys(shortcut for row in kept for shortcut in row):
            stack.enter_context(shortcut.keeping(model, [row.get(shortcut) for row in kept]))
        taken = [dict(row) for row in rows.takes]
        shortcuts: list[Shortcut] = list(taken[0]) if taken else []
        for shortcut in shortcuts:
            stack.enter_context(shortcut.taking(model, [row[shortcut] for row in taken]))
        return model.predict(replace(rows, told=told) if told else rows)


def layers(rows: Sequence[Sequence[Act]]) -> Iterator[tuple[RowAdapter, list[Act | None]]]:
    """Yield each adapter with what it does to every row; one that acts twice on a row comes twice."""
    for adapter in dict.fromkeys(act.adapter for row in rows for act in row):
        own = [[act for act in row if act.adapter is adapter] for row in rows]
        for layer in range(max(map(len, own))):
            yield adapter, [acts[layer] if layer < len(acts) else None for acts in own]
