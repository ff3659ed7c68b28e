"""What is done when a forward does not fit the memory: the same work in smaller pieces, then with fewer weights there.

Rows are halved first, then a decode works in tiles, then the model's weights leave room and come block by block. Only
when all of that was not enough, the run that asked for it fails. Knows work and models' machines; knows no runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from easel.core.errors import OutOfMemory
from easel.core.work import Decode, Encode, EncodeImages, Evaluate, Finish, Load, Rows, Work
from easel.models.memory.room import portion, smaller_tile

REMEDY = "ask for a smaller size or batch, close other programs, or say what weights may take by --vram"
SIZES = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
NEEDED = re.compile(r"(?:Tried|tried) to allocate (\d+(?:\.\d+)?) ?(bytes|[KMGT]iB)")
FREE = re.compile(r"of which (\d+(?:\.\d+)?) ?(bytes|[KMGT]iB) is free")

Call = Callable[[Work], Any]


def within_memory(work: Work, call: Call, error: OutOfMemory) -> Any | BaseException:
    """Return what `call` gives for a piece of work that ended with `error`, done in less and less memory.

    The error of the last attempt where nothing helps.
    """
    pair = halves(work)
    if pair is not None:
        first = attempt(pair[0], call)
        return first if isinstance(first, BaseException) else joined(first, attempt(pair[1], call))
    for lighter in lighter_ways(work):
        outcome = once(lighter, call)
        if not isinstance(outcome, OutOfMemory):
            return outcome
        error = outcome
    if not isinstance(work, Load | Finish):
        work.model.machine.restore()
    return error


def attempt(work: Work, call: Call) -> Any | BaseException:
    """Return what `call` gives for a piece of work, in less memory where it needs too much."""
    outcome = once(work, call)
    return within_memory(work, call, outcome) if isinstance(outcome, OutOfMemory) else outcome


def once(work: Work, call: Call) -> Any | BaseException:
    """Return what `call` gives for a piece of work, or its error."""
    try:
        return call(work)
    except Exception as error:  # the engine's boundary: whatever a model raises belongs to the run that asked
        return in_our_words(error)  # without what the frames of the error still hold of the memory


def halves(work: Work) -> tuple[Work, Work] | None:
    """Return a piece of work as two with half of its rows each; None where it has one, or none that can be parted."""
    half = -(-work.rows // 2)
    if half == work.rows:
        return None
    match work:
        case Encode():
            return replace(work, texts=work.texts[:half]), replace(work, texts=work.texts[half:])
        case Evaluate():
            places = partings(work.batch)
            if not places:
                return None
            place = min(places, key=lambda place: abs(place - half))
            return replace(work, batch=part(work.batch, 0, place)), replace(
                work, batch=part(work.batch, place, work.rows)
            )
        case EncodeImages():
            return replace(work, pixels=work.pixels[:half]), replace(work, pixels=work.pixels[half:])
        case Decode():
            return replace(work, latents=work.latents[:half]), replace(work, latents=work.latents[half:])
        case _:
            return None


def joined(first: Any, second: Any) -> Any:
    """Return the outcomes of two halves as one; the second's error where it has one."""
    if isinstance(second, BaseException):
        return second
    return torch.cat([first, second]) if isinstance(first, Tensor) else [*first, *second]


def lighter_ways(work: Work) -> Iterator[Work]:
    """Yield the same work again and again, each time in a way that takes less memory."""
    if isinstance(work, Load | Finish):
        return
    if isinstance(work, Decode):
        side = max(work.latents.shape[-2:]) * work.model.latent.downscale
        while (tile := smaller_tile(work.tile, side)) is not None:
            work = replace(work, tile=tile)
            yield work
    while work.model.machine.give_room():
        yield work


def decoded_at_once(model: Any, latents: Tensor, rows: int, tile: int) -> tuple[int, int]:
    """Return how many pictures a model decodes at once, at most `rows`, and in tiles of how many pixels.

    tile: what was asked for; where that is 0, tiles are taken when the device has no room for a whole picture.
    """
    if tile:
        return rows, tile
    autoencoder = model.parts["vae"]
    room = model.machine.room(autoencoder)
    if room is None:
        return rows, 0
    height, width = (side * model.latent.downscale for side in latents.shape[-2:])
    return portion(autoencoder, rows, height, width, itemsize=autoencoder.dtype.itemsize, room=room)


def cut(batch: Rows, rows: int) -> list[Rows]:
    """Return a batch in parts of at most `rows` rows; larger where rows are bound together that many."""
    if len(batch) <= rows:
        return [batch]
    places = [*partings(batch), len(batch)]
    parts: list[Rows] = []
    start = 0
    while start < len(batch):
        further = [place for place in places if place > start]
        end = max((place for place in further if place <= start + rows), default=further[0])
        parts.append(part(batch, start, end))
        start = end
    return parts


def partings(batch: Rows) -> list[int]:
    """Return the places, 1 to one less than the rows, where a batch may be parted: not within what acts bind."""
    last: dict[Hashable, int] = {}
    for row, acts in enumerate(batch.acts):
        last |= dict.fromkeys((act.bond for act in acts if act.bond is not None), row)
    found: list[int] = []
    reach = 0  # the last row that is bound to one before the place
    for place in range(1, len(batch)):
        before = batch.acts[place - 1] if batch.acts else ()
        reach = max([reach, *(last[act.bond] for act in before if act.bond is not None)])
        if reach < place:
            found.append(place)
    return found


def part(batch: Rows, start: int, end: int) -> Rows:
    """Return the rows of a batch from `start` up to `end`."""
    return Rows(
        batch.x[start:end],
        batch.sigma[start:end],
        batch.context[start:end],
        {name: value[start:end] for name, value in batch.extra.items()},
        batch.networks[start:end],
        batch.left[start:end],
        batch.keeps[start:end],
        batch.takes[start:end],
        batch.acts[start:end],
    )


def in_our_words(error: Exception) -> Exception:
    """Return torch's out-of-memory as ours, with the sizes that it tells; anything else unchanged."""
    words = str(error)
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in words:
        return OutOfMemory(size_told(NEEDED, words), size_told(FREE, words), REMEDY)
    return error


def size_told(pattern: re.Pattern[str], words: str) -> int | None:
    """Return the bytes that an error's words name, None where they do not."""
    found = pattern.search(words)
    return int(float(found[1]) * SIZES[found[2]]) if found else None
