"""One request's trouble is its own: errors, cancels and endings."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest
import torch

from easel.core.client import AS_USUAL, Done, Event, Failed, Progressed, Terms, WasCancelled
from easel.core.errors import BadValue, Cancelled, Internal, OutOfMemory
from easel.core.request import Request
from easel.core.result import Picture
from easel.core.work import Decode, Evaluate, Finish, Rows, Work
from easel.engine.engine import Engine
from easel.engine.runner import cut, fitting, perform
from easel.models.family import Model
from easel.recipes import recipes

Told = Generator[Work, Any, tuple[Picture, ...]]


def counting(turns: int, then: Callable[[], object] = tuple) -> Told:
    """A recipe of `turns` pieces of plain work; what `then` does ends it."""
    for turn in range(turns):
        assert (yield Finish(lambda turn=turn: turn)) == turn
    then()
    return ()


def raising(error: BaseException) -> Callable[[], object]:
    def do() -> object:
        raise error

    return do


def run_all(stories: dict[str, Told]) -> dict[str, list[Event]]:
    engine = Engine()
    heard: dict[str, list[Event]] = {id: [] for id in stories}
    for id, story in stories.items():
        engine.add(id, story, heard[id].append)
    while engine.step():
        pass
    return heard


def test_each_ends_as_it_should() -> None:
    heard = run_all(
        {
            "well": counting(3),
            "empty": counting(0),
            "refused": counting(1, raising(BadValue("steps", 0, "at least 1"))),
            "refused at once": counting(0, raising(BadValue("steps", 0, "at least 1"))),
            "broken": counting(2, raising(ZeroDivisionError("oh"))),
            "gave up": counting(1, raising(Cancelled("no more"))),
        }
    )
    kinds = {id: [type(event) for event in events] for id, events in heard.items()}
    assert kinds == {
        "well": [Done],
        "empty": [Done],
        "refused": [Failed],
        "refused at once": [Failed],
        "broken": [Failed],
        "gave up": [WasCancelled],
    }
    (event,) = heard["broken"]
    assert isinstance(event, Failed)
    assert isinstance(event.error, Internal)
    assert str(event.error) == "internal error in run broken: ZeroDivisionError: oh"
    assert isinstance(event.error.__cause__, ZeroDivisionError)


def test_an_error_in_work_is_thrown_into_its_recipe() -> None:
    def careful() -> Told:
        try:
            yield Finish(raising(ValueError("bad")))
        except ValueError as error:
            words = str(error)
        assert (yield Finish(lambda: words)) == "bad"
        return ()

    heard = run_all({"careful": careful(), "careless": iter_once(Finish(raising(ValueError("bad"))))})
    assert [type(event) for event in heard["careful"]] == [Done]
    assert [type(event) for event in heard["careless"]] == [Failed]


def iter_once(work: Work) -> Told:
    yield work
    return ()


def test_one_bad_row_does_not_fail_its_company(tiny: Model) -> None:
    """A shared forward that fails is tried again in halves, until the piece at fault stands alone."""
    engine = Engine()
    heard: dict[str, list[Event]] = {str(i): [] for i in range(5)}
    for i in range(5):
        request = Request(prompt="a fox", seed=i, steps=2, width=32, height=32)
        story = recipes["txt2img"].make(request, tiny)
        engine.add(str(i), poisoned(story) if i == 3 else story, heard[str(i)].append)
    while engine.step():
        pass
    endings = {id: type(events[-1]) for id, events in heard.items()}
    assert endings == {"0": Done, "1": Done, "2": Done, "3": Failed, "4": Done}


def poisoned(story: Told) -> Told:
    """The same story, whose latents cannot be decoded, though their shape and key are like the others'."""
    outcome: Any = None
    while True:
        try:
            work = story.send(outcome)
        except StopIteration as stop:
            return stop.value
        if isinstance(work, Decode):
            work = Decode(work.model, work.latents.to("meta"))
        outcome = yield work


def test_cancel_between_steps_closes_the_recipe(tiny: Model) -> None:
    engine = Engine()
    heard: list[Event] = []
    story = recipes["txt2img"].make(Request(prompt="a fox", seed=1, steps=9, width=32, height=32), tiny)
    engine.add("a", story, heard.append)
    while engine.forwards["Evaluate"] < 3:
        assert engine.step()
    engine.cancel("a")
    assert isinstance(heard[-1], WasCancelled)
    assert not engine.step()
    with pytest.raises(StopIteration):
        next(story)
    engine.cancel("a")
    assert len([event for event in heard if isinstance(event, WasCancelled)]) == 1


def test_the_result_says_what_it_cost(tiny: Model) -> None:
    heard = run_all({"a": recipes["txt2img"].make(Request(prompt="a", seed=1, steps=3, width=32, height=32), tiny)})
    ending = heard["a"][-1]
    assert isinstance(ending, Done)
    assert ending.result.evaluations == 3
    assert ending.result.seconds > 0


def test_large_batches_are_cut_to_what_a_call_should_hold() -> None:
    """One row of 1024 x 512 pictures counts as two of 512 x 512; the parts in order are the whole."""
    batch = Rows(torch.arange(7.0)[:, None, None, None].expand(7, 4, 128, 64), torch.arange(7.0), torch.zeros(7, 77, 8))
    assert fitting(4 * 64 * 64, batch.x) == 2
    parts = cut(batch, 2)
    assert [len(part) for part in parts] == [2, 2, 2, 1]
    assert torch.equal(torch.cat([part.x for part in parts]), batch.x)
    assert torch.equal(torch.cat([part.sigma for part in parts]), batch.sigma)
    assert fitting(1, batch.x) == 1
    assert cut(batch, 7) == [batch]


class Cramped:
    """A model in a memory that holds few rows: the real one, which fails as torch does above its limit."""

    def __init__(self, model: Model, rows: int) -> None:
        self.model = model
        self.machine = model.machine
        self.rows = rows

    def predict(self, rows: Any) -> Any:
        if len(rows) > self.rows:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.model.predict(rows)


def test_out_of_memory_shrinks_the_forward_and_speaks_plainly(tiny: Model) -> None:
    works: list[Work] = []
    for i in range(4):
        story = recipes["txt2img"].make(Request(prompt="a", seed=i, steps=1, width=32, height=32), tiny)
        work = next(story)
        while not isinstance(work, Evaluate):
            work = story.send(*perform([work]))
        works.append(work)
    whole = perform(works)
    for rows in (3, 2, 1):  # two rows a piece, for guidance: together, apart, and each piece in halves
        cramped = Cramped(tiny, rows)
        outcomes = perform([Evaluate(cramped, work.batch) for work in works if isinstance(work, Evaluate)])
        for outcome, expected in zip(outcomes, whole, strict=True):
            torch.testing.assert_close(outcome, expected, atol=1e-5, rtol=1e-5)
    outcomes = perform([Evaluate(Cramped(tiny, 0), work.batch) for work in works if isinstance(work, Evaluate)])
    assert all(isinstance(outcome, OutOfMemory) for outcome in outcomes)
    assert "smaller size" in str(outcomes[0])


def test_a_short_run_that_comes_later_ends_before_a_long_one(tiny: Model) -> None:
    """Both want to be alone, so that they cannot share; one after another the short one would wait for 40 steps."""
    engine = Engine()
    ended: list[str] = []

    def add(name: str, steps: int, terms: Terms = AS_USUAL) -> None:
        story = recipes["txt2img"].make(Request(prompt="a", seed=1, steps=steps, width=32, height=32, alone=True), tiny)
        engine.add(name, story, lambda event: ended.append(name) if isinstance(event, Done) else None, terms)

    add("long", 40)
    while engine.forwards["Evaluate"] < 4:
        assert engine.step()
    add("short", 2)
    add("longer, but of priority", 60, Terms(priority=1))
    while engine.step():
        pass
    assert ended == ["longer, but of priority", "short", "long"]
    assert engine.served == {}


def test_users_take_turns_when_they_want_to_be_alone(tiny: Model) -> None:
    """A user with many runs gets no more of the machine than one with a single run, by a clock that counts forwards."""
    clock = iter(range(10**6))
    engine = Engine(clock=lambda: 5.0 * next(clock))
    steps: dict[str, int] = {}

    def add(user: str, number: int) -> None:
        request = Request(prompt="a", seed=1, steps=30, width=32, height=32, alone=True)

        def heard(event: Event) -> None:
            if isinstance(event, Progressed):
                steps[user] = steps.get(user, 0) + 1

        engine.add(f"{user}{number}", recipes["txt2img"].make(request, tiny), heard, Terms(user))

    for number in range(5):
        add("many", number)
    add("one", 0)
    while engine.forwards["Evaluate"] < 30:
        assert engine.step()
    assert abs(steps["many"] - steps["one"]) <= 8
