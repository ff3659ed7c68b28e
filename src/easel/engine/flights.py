"""Work that flies: decodes that a device does beside the steps of other runs.

To begin costs the launching; the device goes on by itself, and the engine asks now and then whether it has landed.
Whatever cannot begin so is performed as ever, and tells its troubles there. Knows decodes and lanes; knows no runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from easel.core.work import Decode, Work
from easel.engine.runner import DECODED, Outcome, fitting, split_rows
from easel.engine.smaller import decoded_at_once, in_our_words
from easel.models.gpu.lanes import Landing
from easel.models.memory.room import decoding_bytes

SHARE = 2  # a decode flies where it takes at most this part of what weights leave; steps have the rest


class Flight(Protocol):
    """Work on its way. seconds: what it took the device, once it has landed."""

    @property
    def done(self) -> bool: ...
    @property
    def seconds(self) -> float: ...
    def land(self) -> list[Outcome]:
        """Wait for its end and return one outcome for each piece of work."""
        ...


Begin = Callable[[Sequence[Work]], Flight | None]


def nothing_flies(works: Sequence[Work]) -> Flight | None:
    """Return that works must be performed, for engines whose devices have one queue."""
    return None


@dataclass(frozen=True, slots=True, eq=False)
class Decoding:
    """Pictures on their way. held: keeps the decoder on the device and dressed until they have landed."""

    works: Sequence[Work]
    pixels: Sequence[Tensor]
    landing: Landing
    held: ExitStack

    @property
    def done(self) -> bool:
        """Whether the device has done it."""
        return self.landing.done

    @property
    def seconds(self) -> float:
        """What it took the device."""
        return self.landing.seconds

    def land(self) -> list[Outcome]:
        """Return the pictures of each piece of work, or its error, each in our words."""
        with self.held:
            try:
                self.landing.wait()
                return [*split_rows(torch.cat(list(self.pixels)), self.works)]
            except Exception as error:  # the engine's boundary: what a device raises belongs to the runs in the call
                return [in_our_words(error)] * len(self.works)


@torch.inference_mode()
def begin(works: Sequence[Work]) -> Flight | None:
    """Let decodes of one key fly; None where they must be performed: other work, no lane, no room, or a failure."""
    first = works[0]
    if not isinstance(first, Decode) or first.worn or first.model.machine.lane is None:
        return None
    machine, autoencoder = first.model.machine, first.model.parts["vae"]
    latents = torch.cat([work.latents for work in works if isinstance(work, Decode)])
    rows, tile = decoded_at_once(first.model, latents, fitting(DECODED, latents), first.tile)
    if tile != first.tile or not roomy(machine.room(autoencoder), needed(first, autoencoder, rows)):
        return None
    with ExitStack() as held:
        try:
            held.enter_context(machine.using(autoencoder))
            with machine.lane.aside() as ended:
                pixels = [first.model.decode(part, tile) for part in torch.split(latents, rows)]
            return Decoding(works, pixels, ended(), held.pop_all())
        except Exception:  # the engine's boundary: it is performed, and then raises what it has to
            return None


def needed(work: Decode, autoencoder: Any, rows: int) -> int:
    """Return about how many bytes it takes to decode so many pictures at once."""
    height, width = (work.tile or side * work.model.latent.downscale for side in work.latents.shape[-2:])
    return rows * decoding_bytes(autoencoder, height, width, autoencoder.dtype.itemsize)


def roomy(room: int | None, bytes: int) -> bool:
    """Return whether a decode of so many bytes leaves room to the steps beside it. room: None where nobody counts."""
    return room is None or bytes * SHARE <= room
