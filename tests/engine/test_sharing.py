"""The proof of the seam: many unlike requests at once give the pictures that each gives alone, in fewer forwards."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from easel.core.client import Done, Event, Failed, WasCancelled
from easel.core.passes import Guidance
from easel.core.request import Request
from easel.core.work import Decode
from easel.engine.engine import Engine
from easel.engine.runner import perform
from easel.models.family import Model
from easel.recipes import recipes
from easel.sampling import samplers

SHARED = [entry.name for entry in samplers if not entry.facts["shares_steps"]]


def unlike_requests(count: int) -> list[Request]:
    """Requests of every sampler, with unlike steps, scales, schedules, seeds, prompts and batch sizes."""
    chance = random.Random(1)
    return [
        Request(
            prompt=chance.choice(["a fox", "빨간 사과", "two (whales:1.3)", "", "long " * 40]),
            negative_prompt=chance.choice(["", "blurry"]),
            sampler=SHARED[i % len(SHARED)],
            schedule=chance.choice([None, "Karras", "Exponential", "SGM Uniform"]),
            steps=chance.randint(3, 7),
            guidance=Guidance(scale=chance.choice([1.0, 3.0, 7.5]), rescale=chance.choice([0.0, 0.5])),
            seed=chance.randrange(2**32),
            noise=chance.choice(["CPU", "NV"]),
            width=32,
            height=32,
            batch_size=chance.choice([1, 1, 2]),
        )
        for i in range(count)
    ]


class Kitchen:
    """An engine that keeps each run's latents and last event."""

    def __init__(self, model: Model, max_rows: int = 64) -> None:
        self.model = model
        self.latents: dict[str, Tensor] = {}
        self.endings: dict[str, Event] = {}
        self.engine = Engine(max_rows, self.perform)

    def add(self, id: str, request: Request) -> None:
        self.engine.add(id, recipes[request.recipe].make(request, self.model), lambda event: self.hear(id, event))

    def hear(self, id: str, event: Event) -> None:
        if isinstance(event, Done | Failed | WasCancelled):
            assert id not in self.endings, "one ending a run"
            self.endings[id] = event

    def perform(self, works: Sequence[Any]) -> list[Any]:
        for run in self.engine.runs.values():
            if isinstance(run.pending, Decode):
                self.latents[run.id] = run.pending.latents
        return perform(works)

    def finish(self) -> None:
        while self.engine.step():
            pass


def drawn_alone(model: Model, request: Request) -> Tensor:
    kitchen = Kitchen(model)
    kitchen.add("alone", request)
    kitchen.finish()
    assert isinstance(kitchen.endings["alone"], Done), kitchen.endings["alone"]
    return kitchen.latents["alone"]


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio in dB, the peak being the range of `a`."""
    error = float((a.double() - b.double()).square().mean())
    return math.inf if error == 0 else 10 * math.log10(float(a.max() - a.min()) ** 2 / error)


def test_forty_unlike_requests_with_random_arrivals_and_cancels(
    tiny: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    requests = unlike_requests(40)
    alone = [drawn_alone(tiny, request) for request in requests]
    chance = random.Random(2)
    cancelled = {str(i) for i in chance.sample(range(40), 6)}
    kitchen = Kitchen(tiny)
    waiting = list(enumerate(requests))
    while waiting or kitchen.engine.runs:
        for _ in range(chance.randint(0, 3)):
            if waiting:
                i, request = waiting.pop(0)
                kitchen.add(str(i), request)
        for id in [id for id in cancelled & kitchen.engine.runs.keys() if chance.random() < 0.2]:
            kitchen.engine.cancel(id)
        kitchen.engine.step()
    assert kitchen.endings.keys() == {str(i) for i in range(40)}
    finished = [i for i in range(40) if isinstance(kitchen.endings[str(i)], Done)]
    assert {str(i) for i in range(40) if i not in finished} <= cancelled
    assert all(isinstance(kitchen.endings[str(i)], Done | WasCancelled) for i in range(40))
    worst = min(psnr(alone[i], kitchen.latents[str(i)]) for i in finished)
    forwards, rows = kitchen.engine.forwards, kitchen.engine.rows
    with capsys.disabled():
        print(f"\n  {len(finished)} of 40 finished; {forwards['Evaluate']} forwards for {rows['Evaluate']} rows")
        print(f"  worst PSNR against alone {worst:.0f} dB")
    assert worst >= 80
    assert forwards["Evaluate"] < rows["Evaluate"] / 4


def test_equal_width_gives_equal_bits(tiny: Model) -> None:
    """A request beside two others has the same bits whoever the others are, as long as the forwards are as wide."""
    first, *others = [
        Request(prompt=f"a fox {i}", seed=i, steps=5, sampler="Euler a", width=32, height=32) for i in range(5)
    ]
    outcomes: list[Tensor] = []
    for company in (others[:2], others[2:]):
        kitchen = Kitchen(tiny)
        for i, request in enumerate([first, *company]):
            kitchen.add(str(i), request)
        kitchen.finish()
        outcomes.append(kitchen.latents["0"])
    assert torch.equal(*outcomes)


def test_alone_means_the_same_bits_in_any_company(tiny: Model) -> None:
    request = Request(prompt="a fox", seed=1, steps=4, width=32, height=32, alone=True)
    kitchen = Kitchen(tiny)
    for i, other in enumerate([request, *unlike_requests(6)]):
        kitchen.add(str(i), other)
    kitchen.finish()
    assert torch.equal(kitchen.latents["0"], drawn_alone(tiny, request))


def test_like_steps_share_every_forward(tiny: Model) -> None:
    kitchen = Kitchen(tiny)
    for i, sampler in enumerate(["Euler", "DPM++ 2M", "Euler a", "LCM"]):
        kitchen.add(str(i), Request(prompt=sampler, seed=i, steps=5 + i, sampler=sampler, width=32, height=32))
    kitchen.finish()
    assert all(isinstance(ending, Done) for ending in kitchen.endings.values())
    assert kitchen.engine.forwards["Encode"] == 1
    assert kitchen.engine.forwards["Evaluate"] == 8
    assert kitchen.engine.rows["Evaluate"] == 2 * (5 + 6 + 7 + 8)


def test_rows_beyond_the_limit_wait_and_still_come_out(tiny: Model) -> None:
    requests = unlike_requests(6)
    kitchen = Kitchen(tiny, max_rows=3)
    for i, request in enumerate(requests):
        kitchen.add(str(i), request)
    kitchen.finish()
    for i, request in enumerate(requests):
        assert psnr(drawn_alone(tiny, request), kitchen.latents[str(i)]) >= 80
