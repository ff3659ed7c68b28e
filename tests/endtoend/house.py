"""A folder of tiny models and companions, and an engine over it as the client in a thread has it, without the thread.

So that forwards can be counted: whatever is asked for together is there from the first step.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from easel.core.client import Done, Event, Failed
from easel.core.errors import EaselError
from easel.core.request import Request
from easel.core.result import Picture
from easel.core.settings import read_settings
from easel.core.work import Decode, Evaluate, Wanted, Work
from easel.engine.engine import Engine
from easel.engine.local import models_of, story_of
from easel.engine.runner import performer
from easel.engine.shelf import Shelf
from easel.models.family import Model
from easel.models.library.names import Library
from easel.recipes.common import check
from easel.recipes.leads import wanted_by
from tests.adapters.networks.making import kohya, layers, written

QUICK: dict[str, Any] = {"model": "tiny", "prompt": "a fox", "steps": 3, "width": 32, "height": 32, "seed": 3}


def ask(**changes: Any) -> Request:
    """A quick request for a fox, with changes."""
    return Request(**{**QUICK, **changes})


@dataclass(slots=True)
class Drawn:
    """What became of one request: the latents that it decoded last, and its pictures or the error that ended it."""

    latents: Tensor = field(default_factory=lambda: torch.empty(0))
    pictures: tuple[Picture, ...] = ()
    error: EaselError | None = None

    @property
    def infotext(self) -> str:
        """Of the first picture."""
        return self.pictures[0].infotext


class House:
    """The engine and shelf of one folder."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.settings = read_settings(**{"models": folder, "precision": "float32", **settings})
        self.library = Library(self.settings)
        self.shelf = Shelf(self.library, self.settings)
        self.engine = Engine(64, clock=partial(next, count(0.0)))  # every forward takes one tick
        self.works: list[Work] = []

    def model(self, name: str = "tiny", *options: tuple[str, str]) -> Any:
        """Return a loaded model."""
        return self.shelf.load(Wanted("model", name, options))

    def draw(self, *requests: Request) -> list[Drawn]:
        """Draw all together and return what became of each; raises what a client refuses at once."""
        found = [Drawn() for _ in requests]
        engine = self.engine
        answer = performer(self.shelf.load)  # which remembers nothing of the last time

        def perform(works: Sequence[Work]) -> list[Any]:
            for run in engine.runs.values():
                if isinstance(run.pending, Decode):
                    found[int(run.id)].latents = run.pending.latents
            self.works += works
            return answer(works)

        engine.perform = perform
        engine.forwards.clear()
        self.works.clear()
        for place, request in enumerate(requests):
            settled = request.settled()
            check(settled)
            for wanted in (*models_of(settled), *wanted_by(settled)):
                self.shelf.check(wanted)
            engine.add(str(place), story_of(settled), ending_of(found[place]))
        while engine.step():
            pass
        return found

    @property
    def forwards(self) -> Counter[str]:
        """How many forwards there were by kind of work in the last `draw`."""
        return self.engine.forwards

    def one(self, **changes: Any) -> Drawn:
        """Draw one quick request that must succeed."""
        (drawn,) = self.draw(ask(**changes))
        if drawn.error is not None:
            raise drawn.error
        return drawn

    def evaluations(self) -> list[Evaluate]:
        """Return what the denoisers were asked for in the last `draw`."""
        return [work for work in self.works if isinstance(work, Evaluate)]


def ending_of(drawn: Drawn) -> Any:
    """Return what hears a run's events and keeps its ending."""

    def hear(event: Event) -> None:
        match event:
            case Done(result):
                drawn.pictures = tuple(result.pictures)
            case Failed(error):
                drawn.error = error
            case _:
                pass

    return hear


def write_lora(
    folder: Path, model: Model, name: str, seed: int = 1, parts: Mapping[str, str] | None = None, size: float = 1.0
) -> Path:
    """Write a LoRA in kohya's names for all layers of some parts of a model. parts: the names' beginning by part."""
    tensors: dict[str, Tensor] = {}
    for part, prefix in (parts or {"unet": "lora_unet_", "text_encoder": "lora_te_"}).items():
        module = model.parts[part]
        names = [name for name in layers(module) if "embed" not in name]
        tensors |= kohya(module, names, prefix, seed)
    return written(folder, {key: tensor * size if "_up" in key else tensor for key, tensor in tensors.items()}, name)


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio in dB, the peak being the range of `a`."""
    assert a.shape == b.shape and a.numel()
    error = float((a.double() - b.double()).square().mean())
    return math.inf if error == 0 else 10 * math.log10(float(a.max() - a.min()) ** 2 / error)


def bits(part: nn.Module) -> dict[str, bytes]:
    """Return the bytes of all that a part holds, by name."""
    return {name: tensor.numpy().tobytes() for name, tensor in part.state_dict().items()}
