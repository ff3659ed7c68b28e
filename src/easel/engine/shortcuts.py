"""One forward in which rows leave things in their memories and take others from them. Knows rows; knows no shortcut."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from torch import Tensor

from easel.core.work import Rows, Shortcut


def predicted(model: Any, rows: Rows) -> Tensor:
    """Return what a model predicts of rows, their shortcuts taken: (n, channels, height, width)."""
    with ExitStack() as stack:
        kept = [dict(row) for row in rows.keeps]
        for shortcut in dict.fromkeys(shortcut for row in kept for shortcut in row):
            stack.enter_context(shortcut.keeping(model, [row.get(shortcut) for row in kept]))
        taken = [dict(row) for row in rows.takes]
        shortcuts: list[Shortcut] = list(taken[0]) if taken else []
        for shortcut in shortcuts:
            stack.enter_context(shortcut.taking(model, [row[shortcut] for row in taken]))
        return model.predict(rows)
