"""Decodes that pass beside steps: nothing of a picture changes, and nobody waits for what is on its way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from easel.core.client import Done, Event, Failed
from easel.core.errors import OutOfMemory
from easel.core.request import Request
from easel.core.result import Picture
from easel.core.work import Decode, Evaluate, Work
from easel.engine.engine import Engine
from easel.engine.flights import begin, roomy
from easel.engine.runner import perform, widths_of
from easel.models.family import Model
from easel.models.gpu.forwards import Forwards
from easel.models.gpu.graphs import Graphs
from easel.recipes import recipes
from tests.models.gpu.recording import ProcessorRecorder, fetched


@dataclass
class SlowLanding:
    """Done when it was asked so many times, or waited for."""

    lane: SlowLane
    asked: int
    seconds: float = 0.5

    @property
    def done(self) -> bool:
        self.asked -= 1
        return self.asked < 0

    def wait(self) -> None:
        if self.lane.breaks:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.asked = 0


class SlowLane:
    """A second queue on the processor: its work is done at once and said to be on its way for `slow` questions."""

    def __init__(self, slow: int) -> None:
        self.slow = slow
        self.begun = 0
        self.breaks = False

    @contextmanager
    def aside(self) -> Iterator[Callable[[], SlowLanding]]:
        self.begun += 1
        yield lambda: SlowLanding(self, self.slow)

    def fetched(self, tensor: Tensor) -> Tensor:
        return tensor.to(torch.float32)


def laned(model: Model, lane: SlowLane, **more: Any) -> Model:
    """The same model on a machine with a lane."""
    made: Any = model
    machine = replace(made.machine, lane=lane, **more)
    return replace(made, machine=machine, vae=replace(made.vae, machine=machine))


def asked(seed: int, steps: int) -> Request:
    return Request(prompt="a", seed=seed, steps=steps, width=32, height=32)


def told(engine: Engine, model: Model, steps: list[int]) -> dict[str, list[Event]]:
    heard: dict[str, list[Event]] = {}
    for seed, count in enumerate(steps):
        events = heard[str(seed)] = []
        engine.add(str(seed), recipes["txt2img"].make(asked(seed, count), model), events.append)
    return heard


def pictures(events: list[Event]) -> tuple[Picture, ...]:
    last = events[-1]
    assert isinstance(last, Done), last
    return last.result.pictures


def test_pictures_are_those_of_one_queue(tiny: Model) -> None:
    lane = SlowLane(2)
    engines = {"one": (Engine(), tiny), "two": (Engine(begin=begin), laned(tiny, lane))}
    found: dict[str, list[bytes]] = {}
    for name, (engine, model) in engines.items():
        heard = told(engine, model, [1, 2, 3, 5])
        while engine.step():
            pass
        found[name] = [pictures(events)[0].image.tobytes() for events in heard.values()]
        assert not engine.aloft
        assert engine.served == {}
    assert found["one"] == found["two"]
    assert lane.begun == engines["two"][0].forwards["Decode"] == 4
    assert engines["two"][0].seconds["Decode"] == 4 * 0.5


def test_others_go_on_while_pictures_are_on_their_way(tiny: Model) -> None:
    model = laned(tiny, SlowLane(10**6))
    engine = Engine(begin=begin)
    heard = told(engine, model, [1, 6])
    while not engine.aloft:
        engine.step()
    at = engine.forwards["Evaluate"]
    while engine.forwards["Evaluate"] < 6:
        assert engine.step()
        assert not any(isinstance(event, Done) for event in heard["0"])
    assert at < 6
    while engine.step():  # with nothing else to do the first that flies is waited for
        pass
    assert all(pictures(events) for events in heard.values())


def test_a_run_cancelled_in_flight_hears_nothing_more(tiny: Model) -> None:
    engine = Engine(begin=begin)
    heard = told(engine, laned(tiny, SlowLane(3)), [1, 3])
    while not engine.aloft:
        engine.step()
    engine.cancel("0")
    count = len(heard["0"])
    while engine.step():
        pass
    assert len(heard["0"]) == count
    assert pictures(heard["1"])


def test_a_flight_that_fails_ends_its_own_run(tiny: Model) -> None:
    lane = SlowLane(0)
    engine = Engine(begin=begin)
    heard = told(engine, laned(tiny, lane), [1])
    lane.breaks = True
    while engine.step():
        pass
    last = heard["0"][-1]
    assert isinstance(last, Failed) and isinstance(last.error, OutOfMemory)


def test_what_cannot_begin_is_performed(tiny: Model) -> None:
    class Full(SlowLane):
        @contextmanager
        def aside(self) -> Iterator[Callable[[], SlowLanding]]:
            raise torch.OutOfMemoryError("CUDA out of memory")
            yield  # pyright: ignore

    engine = Engine(begin=begin)
    heard = told(engine, laned(tiny, Full(1)), [1])
    while engine.step():
        pass
    assert pictures(heard["0"])


def test_only_decodes_fly(tiny: Model) -> None:
    model = laned(tiny, SlowLane(1))
    latents = torch.zeros(1, 4, 4, 4)
    assert begin([Decode(tiny, latents)]) is None
    flight = begin([Decode(model, latents), Decode(model, latents + 1)])
    assert flight is not None
    expected = perform([Decode(tiny, latents), Decode(tiny, latents + 1)])
    assert all(map(torch.equal, flight.land(), expected))
    story = recipes["txt2img"].make(asked(0, 1), model)
    work: Work = next(story)
    while not isinstance(work, Evaluate):
        assert begin([work]) is None
        work = story.send(*perform([work]))
    assert begin([work]) is None


@pytest.mark.parametrize(("room", "bytes", "flies"), [(None, 10**12, True), (100, 50, True), (100, 51, False)])
def test_half_of_the_room_is_left_to_steps(room: int | None, bytes: int, flies: bool) -> None:
    assert roomy(room, bytes) is flies


def test_forwards_are_counted_at_the_width_that_they_cost(tiny: Model) -> None:
    """Unlike requests share forwards that are filled up, and their costs are learned by what was computed."""
    graphs = Graphs(ProcessorRecorder(), 10**9)
    lane = SlowLane(0)
    model = laned(tiny, lane, forwards=Forwards("cpu", fetched, graphs))
    plain, wide = Engine(), Engine(widths=widths_of)
    found: list[list[bytes]] = []
    for engine, one in ((plain, tiny), (wide, model)):
        heard = told(engine, one, [2, 3, 4])
        while engine.step():
            pass
        found.append([pictures(events)[0].image.tobytes() for events in heard.values()])
    assert found[0] == found[1]
    (kind,) = (kind for kind in wide.costs.curves if kind[0] == "evaluate")  # type: ignore[index]
    assert wide.costs.curves[kind].seen <= {2, 4, 8}
    assert graphs.replayed == wide.forwards["Evaluate"]
