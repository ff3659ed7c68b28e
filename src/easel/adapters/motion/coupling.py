"""The frames of a clip are rows of one forward, and a motion module lets each see the others of its clip.

The module's layers are diffusers' own; each hangs behind a layer of the U-Net and gets the rows of one clip at a time,
so that rows of no clip, and clips of other requests, are not touched. Knows U-Nets; does not know what frames show.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from easel.adapters.motion.windows import shares_of, windows_of
from easel.adapters.networks.rows import span
from easel.core.errors import Mismatch
from easel.core.work import Act, Rows
from easel.models.accelerate import Machine

Pair = tuple[nn.Module, Any]  # a layer of a U-Net, and what of the motion module hangs behind it


@dataclass(frozen=True, slots=True)
class Frame:
    """What is prepared for a row: which frame of its clip it is, from 0, of how many."""

    number: int
    count: int


@dataclass(frozen=True, slots=True)
class Clip:
    """The rows of a clip in the order of its frames, and how firmly they are coupled."""

    rows: tuple[int, ...]
    strength: float


@dataclass(frozen=True, eq=False)
class MotionModule:
    """A row adapter; see core/work.py. net: diffusers' MotionAdapter. longest: frames that it sees at once."""

    name: str
    net: Any
    longest: int
    machine: Machine
    _fits: WeakKeyDictionary[nn.Module, tuple[Pair, ...]] = field(
        default_factory=WeakKeyDictionary[nn.Module, "tuple[Pair, ...]"], repr=False
    )

    @contextmanager
    def acting(self, model: Any, rows: Rows, acts: Sequence[Act | None]) -> Iterator[Mapping[str, Tensor]]:
        """Couple the rows of each clip in a forward of `model`. Tells the denoiser nothing."""
        pairs, clips = self.fit(model), clips_in(acts)
        handles: list[Any] = []
        with self.machine.using(self.net, model.parts["unet"]):  # at once, for neither may take the other's room
            try:
                handles += [layer.register_forward_hook(behind(motion, clips, self.longest)) for layer, motion in pairs]
                yield {}
            finally:
                for handle in handles:
                    handle.remove()

    def frames(self, model: Any, count: int) -> tuple[Frame, ...]:
        """Return what is prepared for the frames of a clip of so many. Raises Mismatch for the model."""
        self.fit(model)
        return tuple(Frame(number, count) for number in range(count))

    def fit(self, model: Any) -> tuple[Pair, ...]:
        """Return the layers of a model's U-Net, each with what hangs behind it. Raises Mismatch where it is no fit."""
        unet = model.parts.get("unet")
        if unet is None:
            raise self.misfit(model, "it is for a U-Net, and this model has none")
        if unet not in self._fits:
            self._fits[unet] = tuple(self.paired(model, unet))
        return self._fits[unet]

    def paired(self, model: Any, unet: Any) -> Iterator[Pair]:
        """Yield the layers of a U-Net with what hangs behind them. Raises Mismatch."""
        own, theirs = blocks_of(self.net), blocks_of(unet)
        if len(own) != len(theirs):
            raise self.misfit(model, f"it has {len(own) // 2} levels, and the model {len(theirs) // 2}")
        for motion, block in zip(own, theirs, strict=True):
            modules = list(motion.motion_modules) if motion is not None else []
            layers = layers_of(block) if modules else []
            if len(modules) != len(layers):
                raise self.misfit(model, f"it has {len(modules)} layers at a level where the model has {len(layers)}")
            for layer, module in zip(layers, modules, strict=True):
                wide = width_of(layer)
                if wide != module.in_channels:
                    raise self.misfit(model, f"it has {module.in_channels} channels where the model has {wide}")
                yield layer, module

    def misfit(self, model: Any, why: str) -> Mismatch:
        """Return the error of a module that does not fit a model."""
        return Mismatch(f"motion module {self.name!r} does not fit {model.name!r}: {why}; choose another.")


def blocks_of(net: Any) -> list[Any]:
    """Return the blocks of a U-Net or a motion module: down, the middle or None, and up."""
    return [*net.down_blocks, net.mid_block, *net.up_blocks]


def layers_of(block: Any) -> list[Any]:
    """Return the layers of a U-Net's block behind which motion hangs: its attentions, or its others without them."""
    return list(getattr(block, "attentions", None) or block.resnets)


def width_of(layer: Any) -> int:
    """Return the channels that a layer of a U-Net gives."""
    return int(getattr(layer, "out_channels", None) or layer.in_channels)


def clips_in(acts: Sequence[Act | None]) -> tuple[Clip, ...]:
    """Return the clips among the rows of a forward.

    Rows with an equal bond that are the same frame are of several clips: those of prompts joined by AND, in order.
    Raises ValueError where a frame is missing, for then the others would be drawn wrong.
    """
    bound: dict[Hashable, list[dict[int, int]]] = {}
    given: dict[Hashable, Act] = {}
    for row, act in enumerate(acts):
        if act is None:
            continue
        key = row if act.bond is None else act.bond
        clips, number = bound.setdefault(key, []), act.prepared.number
        given.setdefault(key, act)
        clip = next((one for one in clips if number not in one), None)
        if clip is None:
            clips.append(clip := {})
        clip[number] = row
    found: list[Clip] = []
    for key, clips in bound.items():
        count = given[key].prepared.count
        for clip in clips:
            if len(clip) != count:
                raise ValueError(f"{len(clip)} of a clip's {count} frames came without the others")
            found.append(Clip(tuple(clip[number] for number in range(count)), given[key].strength))
    return tuple(found)


def seen_by(motion: Any, frames: Tensor, longest: int) -> Tensor:
    """Return what a motion module's layer makes of a clip's frames (frames, channels, height, width)."""
    windows = windows_of(len(frames), longest)
    if len(windows) == 1:
        return motion(frames, num_frames=len(frames))
    found = torch.zeros_like(frames)
    for window, shares in zip(windows, shares_of(windows), strict=True):
        there = slice(window.start, window.stop)
        share = torch.tensor(shares, dtype=frames.dtype, device=frames.device).view(-1, 1, 1, 1)
        found[there] += motion(frames[there], num_frames=len(window)) * share
    return found


def behind(motion: Any, clips: Sequence[Clip], longest: int) -> Callable[[nn.Module, Any, Any], Any]:
    """Return the hook that gives the rows of each clip to a motion module's layer, behind a layer of a U-Net."""

    def couple(layer: nn.Module, inputs: Any, output: Any) -> Any:
        hidden: Tensor = output[0] if isinstance(output, tuple) else output
        coupled = hidden.clone()
        for clip in clips:
            there = span(clip.rows) if list(clip.rows) == sorted(clip.rows) else list(clip.rows)
            own = hidden[there]
            moved = seen_by(motion, own, longest)
            coupled[there] = moved if clip.strength == 1 else torch.lerp(own, moved, clip.strength)
        return (coupled, *output[1:]) if isinstance(output, tuple) else coupled

    return couple
