"""Recorded forwards: each replays the same kernels over the same memory, so that launching them costs nothing.

One is kept for each part, shape and width, with input buffers of its own. It holds for where the weights were when it
was recorded, and for what computed it; where either has changed it is recorded anew. Recordings share the memory of
what they compute within, so that the result of one must be copied before another is replayed. How a recording is made
is given: on a processor, tests give one that replays operations. Knows no device and no adapters.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol
from weakref import ref

from torch import Tensor, nn

from easel.models.gpu.inputs import Inputs

Forward = Callable[[Inputs], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """A forward that was recorded. output: (width, ...), written by each replay. bytes: what keeping it takes."""

    output: Tensor
    replay: Callable[[], None]
    bytes: int


class Buffers(Protocol):
    """Inputs in memory that stays where it is. bytes: what they take."""

    @property
    def there(self) -> Inputs: ...
    @property
    def bytes(self) -> int: ...
    def fill(self, inputs: Inputs) -> None:
        """Let them hold other inputs of the same shape and width."""
        ...


class Recorder(Protocol):
    """Makes buffers and recordings on a device; recording.py has the real one."""

    def buffers(self, inputs: Inputs) -> Buffers: ...
    def record(self, forward: Callable[[], Tensor]) -> Recorded:
        """Return a recording of what `forward` does. Raises torch's errors, OutOfMemoryError among them."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """One recording. stamp: what it holds for."""

    part: ref[nn.Module]
    stamp: Hashable
    buffers: Buffers
    recorded: Recorded

    @property
    def bytes(self) -> int:
        """What it takes of the device."""
        return self.buffers.bytes + self.recorded.bytes


class Graphs:
    """Recordings within a budget of bytes; of many the least recently used are forgotten. Of the engine's thread.

    made: how many recordings were made; replayed: how many forwards they were.
    """

    def __init__(self, recorder: Recorder, budget: int) -> None:
        self.budget = budget
        self.made = 0
        self.replayed = 0
        self._recorder = recorder
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def bytes(self) -> int:
        """What all recordings take."""
        return sum(kept.bytes for kept in self._kept.values())

    def run(
        self, part: nn.Module, forward: Forward, inputs: Inputs, stamp: Hashable, fetch: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """Return what `fetch` copies of a part's output for inputs of a whole width, (width, ...).

        stamp: what a recording must hold for: who computes, and where the weights are. Raises what recording raises.
        """
        key = (id(part), inputs.shape, len(inputs))
        kept = self._kept.get(key)
        if kept is None or kept.part() is not part or kept.stamp != stamp:
            self._kept.pop(key, None)
            kept = None  # before another is made: what it took is free again
            kept = self._kept[key] = self._record(part, forward, inputs, stamp)
            self._forget_beyond_budget()
        self._kept.move_to_end(key)
        kept.buffers.fill(inputs)
        kept.recorded.replay()
        self.replayed += 1
        return fetch(kept.recorded.output)

    def clear(self) -> bool:
        """Forget every recording; return whether there was any."""
        found = bool(self._kept)
        self._kept.clear()
        return found

    def _record(self, part: nn.Module, forward: Forward, inputs: Inputs, stamp: Hashable) -> Kept:
        for key in [key for key, kept in self._kept.items() if kept.part() is None]:
            del self._kept[key]
        buffers = self._recorder.buffers(inputs)
        buffers.fill(inputs)
        there = buffers.there
        recorded = self._recorder.record(lambda: forward(there))
        self.made += 1
        return Kept(ref(part), stamp, buffers, recorded)

    def _forget_beyond_budget(self) -> None:
        while len(self._kept) > 1 and self.bytes > self.budget:
            self._kept.popitem(last=False)
