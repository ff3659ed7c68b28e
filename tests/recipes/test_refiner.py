"""The refiner: A1111's rule for when it leads, who it may be, and requests with and without it side by side."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from easel.app import open_client
from easel.core.client import Done
from easel.core.errors import UnknownName, Unsupported
from easel.core.passes import Hires, Refiner
from easel.core.request import Request
from easel.core.settings import read_settings
from easel.core.work import Decode, Encode, Evaluate, Load, Work
from easel.engine.engine import Engine
from easel.engine.run import Story
from easel.engine.runner import performer
from easel.models.family import LatentFormat, Model, load
from easel.models.layouts.identify import identify
from easel.prompt import infotext
from easel.recipes.common import tell
from easel.recipes.refiner import switch_below
from easel.sampling import Levels
from tests.engine.test_sharing import psnr
from tests.recipes.telling import ask, by_name, close_at_every_yield, told
from tests.tiny import write_tiny_sd


@pytest.fixture(scope="module")
def other_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_sd(tmp_path_factory.mktemp("refiners") / "other", seed=9)


@pytest.fixture(scope="module")
def other(other_folder: Path) -> Model:
    return load(identify(other_folder), read_settings(precision="float32"))


def refining(at: float = 0.5, **changes: Any) -> Request:
    return ask(refiner=Refiner(model="other", switch_at=at), **changes)


def leaders(works: list[Work]) -> str:
    return "".join({"tiny": "a", "other": "b"}[w.model.name] for w in works if isinstance(w, Evaluate))


@pytest.mark.parametrize("switch_at", [0.0, 0.2, 0.5, 0.8, 0.999, 1.0])
def test_the_rule_is_a1111_s(switch_at: float) -> None:
    """At every sigma: the nearest step's (999 - t) / 1000 against switch_at."""
    levels = Levels.from_betas()
    table = torch.tensor(levels.table)
    switch = switch_below(levels, switch_at)
    for sigma in torch.linspace(0.02, 15, 3000).tolist():
        nearest = int((table - sigma).abs().argmin())
        assert (sigma < switch) == ((999 - nearest) / 1000 >= switch_at)


def test_the_rule_on_flow() -> None:
    levels = Levels.from_flow(shift=3.0)
    assert switch_below(levels, 0.25) == pytest.approx(0.75)
    assert switch_below(levels, 0.75) == pytest.approx(0.25)
    assert switch_below(levels, 1.0) == 0


def test_it_takes_over_in_the_middle(tiny: Model, other: Model) -> None:
    perform = performer(by_name({"other": other}))
    works, (picture,) = told(refining(steps=8), tiny, perform)
    assert isinstance(works[0], Load)
    led = leaders(works)
    assert led == "a" * led.count("a") + "b" * led.count("b")
    assert 0 < led.count("b") < 8
    for work in works:
        if isinstance(work, Evaluate):
            time = float(tiny.levels.timestep(work.batch.sigma[:1])[0])
            assert (work.model is other) == ((999 - round(time)) / 1000 >= 0.5)
    assert [work.model.name for work in works if isinstance(work, Encode)] == ["tiny", "other"]
    assert next(work for work in works if isinstance(work, Decode)).model is other
    fields = infotext.read(picture.infotext).fields
    assert (fields["Model"], fields["Refiner"], fields["Refiner switch at"]) == ("tiny", "other", "0.5")


def test_from_the_beginning_and_never(tiny: Model, other: Model) -> None:
    perform = performer(by_name({"other": other}))
    assert leaders(told(refining(0.0), tiny, perform)[0]) == "bbbb"
    works, (never,) = told(refining(1.0), tiny, perform)
    assert leaders(works) == "aaaa"
    assert never.image.tobytes() == told(ask(), tiny)[1][0].image.tobytes()


def test_the_same_model_as_its_own_refiner_changes_nothing(tiny: Model) -> None:
    _, (plain,) = told(ask(), tiny)
    _, (same,) = told(refining(), tiny, performer(by_name({"other": tiny})))
    assert plain.image.tobytes() == same.image.tobytes()


def test_with_hires_it_acts_in_the_second_pass_alone(tiny: Model, other: Model) -> None:
    perform = performer(by_name({"other": other}))
    works, _ = told(refining(0.6, steps=6, hires=Hires(steps=6, strength=0.9)), tiny, perform)
    led = leaders(works)
    assert led[:6] == "aaaaaa"
    assert 0 < led[6:].count("b") < 6
    assert led[6:] == "".join(sorted(led[6:]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"latent": LatentFormat(channels=16)}, "their latents differ"),
        ({"levels": Levels.from_flow()}, "their noise paths differ"),
    ],
)
def test_a_model_of_another_kind_is_refused(tiny: Model, other: Any, change: dict[str, Any], words: str) -> None:
    unlike = dataclasses.replace(other, **change)
    with pytest.raises(Unsupported, match=f"'other' cannot refine for 'tiny': {words}"):
        told(refining(), tiny, performer(by_name({"other": unlike})))


def test_closing_at_every_yield_leaves_nothing_behind(tiny: Model, other: Model) -> None:
    perform = performer(by_name({"other": other}))
    close_at_every_yield(refining(hires=Hires(steps=2)), tiny, perform)


def test_unlike_stories_together_equal_each_alone(tiny: Model, other: Model) -> None:
    """With and without a second pass, a refiner and tiling, in one engine."""
    second = Hires(scale=1.5, steps=3, strength=0.6)
    requests = [
        ask(seed=1),
        refining(0.4, seed=2, steps=6),
        ask(seed=3, hires=second),
        refining(0.6, seed=4, hires=second),
        ask(seed=5, seamless="xy"),
        ask(seed=6, seamless="x", hires=second, sampler="Euler a"),
        ask(seed=7, hires=second.model_copy(update={"upscaler": "Lanczos"}), batch_size=2),
        ask(seed=8, width=96, height=96),
    ]

    def drawn(asked: list[Request]) -> tuple[list[Tensor], Engine]:
        latents: dict[str, Tensor] = {}
        done: list[str] = []
        engine = Engine(64)
        plain = performer(by_name({"other": other}))

        def perform(works: Any) -> list[Any]:
            pending = [(run.id, run.pending) for run in engine.runs.values()]
            latents.update({id: work.latents for id, work in pending if isinstance(work, Decode)})  # the last one stays
            return plain(works)

        engine.perform = perform
        for i, request in enumerate(asked):
            story: Story = tell(request, tiny)
            engine.add(str(i), story, lambda event, i=i: done.append(str(i)) if isinstance(event, Done) else None)
        while engine.step():
            pass
        assert len(done) == len(asked)
        return [latents[str(i)] for i in range(len(asked))], engine

    together, engine = drawn(requests)
    for request, found in zip(requests, together, strict=True):
        ((alone,), _) = drawn([request])
        assert psnr(alone, found) >= 80
    assert engine.forwards["Evaluate"] < engine.rows["Evaluate"] / 3


def test_both_names_are_found_at_submit(tiny_folder: Path) -> None:
    client = open_client(read_settings(models=tiny_folder.parent, precision="float32"))
    try:
        with pytest.raises(UnknownName, match="model 'othr'"):
            client.submit(ask(model="tiny", refiner=Refiner(model="othr")))
        run = client.submit(ask(model="tiny", refiner=Refiner(model="tiny")))
        assert isinstance(list(client.events(run))[-1], Done)
    finally:
        client.close()


def test_infinity_means_always() -> None:
    assert switch_below(Levels.from_betas(), 0.0) == math.inf
