"""Performs a group of like work in one call: stack, call, split.

Knows tensors and models' verbs; knows no policy and no runs. What comes back is a value or the error for each piece
of work, so that one request's trouble never reaches another's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import accumulate
from typing import Any, TypeVar

import torch
from torch import Tensor

from easel.core.errors import OutOfMemory
from easel.core.work import Decode, Encode, EncodeImages, Evaluate, Finish, Load, Rows, Wanted, Work, Worn
from easel.engine.acting import predicted
from easel.engine.remembering import Encode as EncodeTexts
from easel.engine.remembering import Encodings, plainly
from easel.engine.smaller import cut, decoded_at_once, in_our_words, within_memory

# Latent cells of one call at most, so that a large batch takes time and not all memory:
EVALUATED = 64 * 64 * 64  # 64 rows at 512x512, 16 at 1024x1024
DECODED = 4 * 64 * 64  # 4 pictures at 512x512, one at 1024x1024; decoders hold about 0.5 GB for each

Outcome = Any | BaseException
Value = TypeVar("Value")
Perform = Callable[[Sequence[Work]], list[Outcome]]


def no_shelf(wanted: Wanted) -> Any:
    """Refuse to load: for engines whose runs bring their models along."""
    raise LookupError(f"this engine has nothing to load {wanted.name!r} from")


def performer(load: Callable[[Wanted], Any]) -> Perform:
    """Return the performer whose Load is answered by `load`, what is wanted to what was loaded.

    It remembers texts that it has encoded.
    """
    return partial(perform, load=load, encode=Encodings())


def perform(
    works: Sequence[Work], load: Callable[[Wanted], Any] = no_shelf, encode: EncodeTexts = plainly
) -> list[Outcome]:
    """Return one outcome for each piece of work; all must have the same key.

    When a shared call fails, the group is split in half and tried again, down to one piece, so that only the piece at
    fault gets the error. One too large for the memory is tried in smaller ways before.
    """
    try:
        return together(works, load, encode)
    except Exception as error:  # the engine's boundary: whatever a model raises belongs to the runs in the call
        failed = in_our_words(error)
    if len(works) > 1:
        half = len(works) // 2
        return perform(works[:half], load, encode) + perform(works[half:], load, encode)
    if isinstance(failed, OutOfMemory):
        return [within_memory(works[0], lambda work: together([work], load, encode)[0], failed)]
    return [failed]


@torch.inference_mode()
def together(works: Sequence[Work], load: Callable[[Wanted], Any], encode: EncodeTexts) -> list[Any]:
    """Return the results of works of one kind and key, computed by one call."""
    first = works[0]
    match first:
        case Load():
            with torch.inference_mode(False):
                return [load(first.wanted)] * len(works)
        case Encode():
            texts = [text for work in works if isinstance(work, Encode) for text in work.texts]
            return split(encode(first.model, texts), works)
        case Evaluate():
            batch = stacked([work.batch for work in works if isinstance(work, Evaluate)])
            parts = cut(batch, fitting(EVALUATED, batch.x))
            with wearing(first.worn, first.model):
                return split_rows(torch.cat([predicted(first.model, part) for part in parts]), works)
        case EncodeImages():
            pixels = torch.cat([work.pixels for work in works if isinstance(work, EncodeImages)])
            cell = first.model.latent.downscale
            parts = torch.split(pixels, fitting(DECODED * cell * cell, pixels))
            with wearing(first.worn, first.model):
                return split_rows(torch.cat([first.model.encode_images(part) for part in parts]), works)
        case Decode():
            latents = torch.cat([work.latents for work in works if isinstance(work, Decode)])
            rows, tile = decoded_at_once(first.model, latents, fitting(DECODED, latents), first.tile)
            with wearing(first.worn, first.model):
                pixels = [first.model.decode(part, tile) for part in torch.split(latents, rows)]
            return split_rows(torch.cat(pixels), works)
        case Finish():
            return [work.call() for work in works if isinstance(work, Finish)]


def widths_of(work: Work) -> Sequence[int]:
    """Return the widths that the forwards of some work are filled up to, rising; none where they are not."""
    return work.model.machine.widths if isinstance(work, Evaluate) and not work.worn else ()


def wearing(worn: Sequence[Worn], model: Any) -> ExitStack:
    """Return a context in which `model` wears all of `worn`."""
    stack = ExitStack()
    for adapter in worn:
        stack.enter_context(adapter.on(model))
    return stack


def fitting(cells: int, latents: Tensor) -> int:
    """Return how many rows of latents (n, channels, height, width) hold at most `cells` cells, at least 1."""
    return max(1, cells // (latents.shape[-2] * latents.shape[-1]))


def stacked(batches: Sequence[Rows]) -> Rows:
    """Return the rows of all batches, in order; shapes per row are equal because the keys are."""
    if len(batches) == 1:
        return batches[0]
    return Rows(
        x=torch.cat([batch.x for batch in batches]),
        sigma=torch.cat([batch.sigma for batch in batches]),
        context=torch.cat([batch.context for batch in batches]),
        extra={name: torch.cat([batch.extra[name] for batch in batches]) for name in batches[0].extra},
        networks=by_rows(batches, "networks"),
        left=tuple(n for batch in batches for n in batch.left) if all(batch.left for batch in batches) else (),
        keeps=by_rows(batches, "keeps"),
        takes=by_rows(batches, "takes"),
        acts=by_rows(batches, "acts"),
    )


def by_rows(batches: Sequence[Rows], name: str) -> tuple[Any, ...]:
    """Return what each row of all batches has in a field that is empty where no row has any, () for nothing."""
    if not any(getattr(batch, name) for batch in batches):
        return ()
    return tuple(own for batch in batches for own in getattr(batch, name) or ((),) * len(batch))


def split(values: Sequence[Value], works: Sequence[Work]) -> list[Sequence[Value]]:
    """Return the values of each piece of work."""
    ends = list(accumulate(work.rows for work in works))
    return [values[end - work.rows : end] for work, end in zip(works, ends, strict=True)]


def split_rows(rows: Tensor, works: Sequence[Work]) -> list[Tensor]:
    """Return the rows of each piece of work."""
    return list(torch.split(rows, [work.rows for work in works]))
