"""Forwards of a device by the fastest way that is ready: recorded, compiled, or as they are.

A bare part runs at whole widths, its rows filled up; one that anything hangs on runs as it is, with its own rows. What
comes back is in the machine's memory and nobody else's. Knows parts and inputs; knows no families.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from easel.models.gpu.compiled import Compiled, first_line
from easel.models.gpu.graphs import Graphs
from easel.models.gpu.inputs import Inputs
from easel.models.gpu.look import Look
from easel.models.gpu.widths import WIDTHS, filled, portions

log = logging.getLogger("easel.models")

Fetch = Callable[[Tensor], Tensor]  # numbers on a device to float32 in the machine's memory
Around = Callable[[nn.Module], Callable[[], AbstractContextManager[Any]]]


@dataclass(slots=True, eq=False)
class Known:
    """What is remembered of a part. around: makes the context of its forwards. recordable: until a recording failed."""

    look: Look
    around: Callable[[], AbstractContextManager[Any]]
    recordable: bool = True


def as_is(part: nn.Module) -> Callable[[], AbstractContextManager[Any]]:
    """Return the context of a part's forwards where nothing is chosen for it."""
    return nullcontext


@dataclass(slots=True, eq=False)
class Forwards:
    """One instance per engine, used by its thread alone.

    fetch: copies a result. graphs: recordings, None for none; compiled: None where nothing is.
    around: for a part the context in which it computes, such as which attention it takes.
    """

    device: str
    fetch: Fetch
    graphs: Graphs | None = None
    compiled: Compiled | None = None
    around: Around = as_is
    widths: tuple[int, ...] = WIDTHS
    _known: WeakKeyDictionary[nn.Module, Known] = field(default_factory=WeakKeyDictionary[nn.Module, Known])

    @property
    def words(self) -> str:
        """What of this decides about a picture's last bits: its widths, and whether code is compiled."""
        return " widths" + (" compiled" if self.compiled is not None else "")

    def denoised(self, part: nn.Module, inputs: Inputs) -> Tensor:
        """Return what a denoiser makes of rows, (n, ...) float32 in the machine's memory."""
        known = self._of(part)
        if not known.look.bare:
            with known.around():
                return self.fetch(inputs.on(self.device).given_to(part))
        rows, most = len(inputs), self.widths[-1]
        pieces = inputs.cut(*[most] * (rows // most), *([rows % most] if rows % most else []))
        return joined([self._at_width(part, known, piece) for piece in pieces])

    def decoded(self, part: nn.Module, inputs: Inputs) -> Tensor:
        """Return what a decoder makes of latents, (n, 3, height, width) on the device.

        Too dear to be filled up, and too long for launches to count: compiled at widths that make just these rows, and
        never recorded.
        """
        known = self._of(part)
        there = inputs.on(self.device)
        with known.around():
            if self.compiled is None or not known.look.bare:
                return there.given_to(part, "decode")
            return joined([self._decoded(self.compiled, part, piece) for piece in there.cut(*self._portions(inputs))])

    def forget(self) -> bool:
        """Give back the memory that recordings take; return whether there were any."""
        return self.graphs is not None and self.graphs.clear()

    def _portions(self, inputs: Inputs) -> list[int]:
        return portions(len(inputs), self.widths)

    def _decoded(self, compiled: Compiled, part: nn.Module, piece: Inputs) -> Tensor:
        forward = compiled.forward(part, "decode", (piece.shape, len(piece)), lambda: piece.each(torch.clone))
        return forward(piece) if forward is not None else piece.given_to(part, "decode")

    def _at_width(self, part: nn.Module, known: Known, piece: Inputs) -> Tensor:
        """Return what a bare part makes of rows that one forward holds."""
        rows = len(piece)
        full = piece.filled(filled(rows, self.widths))
        with known.around():
            forward = None
            if self.compiled is not None:
                shape = (full.shape, len(full))
                forward = self.compiled.forward(part, "forward", shape, lambda: full.on(self.device).each(torch.clone))
            compute = forward or (lambda inputs: inputs.given_to(part))
            if self.graphs is not None and known.recordable:
                try:
                    stamp = (forward, known.look.addresses)
                    return self.graphs.run(part, compute, full, stamp, lambda output: self.fetch(output[:rows]))
                except torch.OutOfMemoryError:
                    self.graphs.clear()
                except RuntimeError as error:
                    known.recordable = False
                    log.warning("%s cannot be recorded (%s); it runs as it is.", type(part).__name__, first_line(error))
            return self.fetch(compute(full.on(self.device))[:rows])

    def _of(self, part: nn.Module) -> Known:
        known = self._known.get(part)
        if known is None:
            known = self._known[part] = Known(Look(part), self.around(part))
        return known


def joined(pieces: list[Tensor]) -> Tensor:
    """Return pieces of rows as one."""
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces)


def plainly(part: nn.Module, rows: Mapping[str, Tensor], shared: Mapping[str, Tensor], device: str) -> Tensor:
    """Return what a denoiser makes of rows where nothing makes forwards faster, (n, ...) float32 on the processor."""
    return Inputs(rows, shared).on(device).given_to(part).to("cpu", torch.float32)
