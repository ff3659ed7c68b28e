"""What is left out by choice: nothing unless asked for, the right rows when it is, and the same in any company."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from easel.core.client import Done
from easel.core.errors import BadValue, Unsupported
from easel.core.passes import Guidance, Hires, Refiner, Shortcuts
from easel.core.settings import read_settings
from easel.core.work import Evaluate, Work
from easel.engine.runner import performer
from easel.models.family import Model, load
from easel.models.layouts.identify import identify
from easel.prompt import infotext
from easel.prompt.recall import recall
from easel.recipes.common import settle
from easel.recipes.shortcuts import check_shortcuts
from tests.engine.test_sharing import Kitchen, drawn_alone, psnr
from tests.live import live_tensors
from tests.recipes.telling import ask, by_name, close_at_every_yield, told
from tests.tiny import write_tiny_sd
from tests.tiny_families import write_tiny_sd3

CHOICES = {
    "features": Shortcuts(features_every=2),
    "gate": Shortcuts(gate=0.5),
    "ngms": Shortcuts(ngms=100),
    "all": Shortcuts(features_every=3, gate=0.5, ngms=100),
}


@pytest.fixture(scope="module")
def transformer(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = write_tiny_sd3(tmp_path_factory.mktemp("models") / "three", t5=False, later=True)
    return load(identify(folder), read_settings(precision="float32"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = write_tiny_sd(tmp_path_factory.mktemp("models") / "other", seed=2)
    return load(identify(folder), read_settings(precision="float32"))


def evaluations(works: list[Work]) -> list[Evaluate]:
    return [work for work in works if isinstance(work, Evaluate)]


def kinds(works: list[Work]) -> str:
    """One letter a forward: k where rows keep, t where they take, b where both, - where neither."""
    letters = {(True, False): "k", (False, True): "t", (True, True): "b", (False, False): "-"}
    return "".join(letters[bool(one.batch.keeps), bool(one.batch.takes)] for one in evaluations(works))


def rows(works: list[Work]) -> list[int]:
    return [len(one.batch) for one in evaluations(works)]


def test_nothing_is_left_out_unless_asked_for(tiny: Model) -> None:
    works, _ = told(ask(steps=6), tiny)
    assert (kinds(works), rows(works)) == ("------", [2] * 6)


def test_inner_layers_are_computed_at_one_of_n_calls(tiny: Model) -> None:
    works, _ = told(ask(steps=7, sampler="Euler", shortcuts=Shortcuts(features_every=3)), tiny)
    assert (kinds(works), rows(works)) == ("kttkttk", [2] * 7)


def test_behind_the_gate_words_and_negatives_are_left_out(tiny: Model) -> None:
    works, _ = told(ask(steps=8, sampler="Euler", shortcuts=Shortcuts(gate=0.5)), tiny)
    assert (kinds(works), rows(works)) == ("---ktttt", [2] * 4 + [1] * 4)


def test_gate_and_inner_layers_keep_at_the_same_call(tiny: Model) -> None:
    works, _ = told(ask(steps=8, sampler="Euler", shortcuts=Shortcuts(gate=0.5, features_every=2)), tiny)
    assert kinds(works) == "ktkktbtb"
    shortcuts = [[len(kind[0]) if kind else 0 for kind in (w.batch.keeps, w.batch.takes)] for w in evaluations(works)]
    assert shortcuts == [[1, 0], [0, 1], [1, 0], [2, 0], [0, 2], [1, 1], [0, 2], [1, 1]]


def test_negatives_are_left_out_at_every_other_call_below_the_level(tiny: Model) -> None:
    sigmas = settle(ask(steps=8, sampler="Euler"), tiny).sigmas
    works, _ = told(ask(steps=8, sampler="Euler", shortcuts=Shortcuts(ngms=100)), tiny)
    assert rows(works) == [2, 1] * 4
    works, _ = told(ask(steps=8, sampler="Euler", shortcuts=Shortcuts(ngms=sigmas[4])), tiny)
    assert rows(works) == [2, 2, 2, 2, 2, 1, 2, 1]
    works, _ = told(ask(steps=8, sampler="Euler", shortcuts=Shortcuts(ngms=sigmas[4], ngms_all=True)), tiny)
    assert rows(works) == [2] * 5 + [1] * 3


def test_without_any_negative_it_is_as_at_a_scale_of_1(tiny: Model) -> None:
    never = drawn_alone(tiny, ask(sampler="Euler", shortcuts=Shortcuts(ngms=100, ngms_all=True)))
    assert torch.equal(never, drawn_alone(tiny, ask(sampler="Euler", guidance=Guidance(scale=1))))


@pytest.mark.parametrize("shortcuts", [CHOICES["features"], CHOICES["all"]], ids=["features", "all"])
@pytest.mark.parametrize(
    "fields",
    [
        {"sampler": "Heun", "negative_prompt": "long " * 90},
        {"prompt": "a fox AND a hen :0.6 AND [red:blue:0.5]", "batch_size": 2},
        {"sampler": "Restart", "steps": 8},
        {"sampler": "Euler a", "guidance": Guidance(scale=5, rescale=0.4, start=0.2, end=0.9)},
        {"hires": Hires(scale=1.5, strength=0.6)},
        {"sampler": "DDIM CFG++"},
        {"seamless": "xy", "sampler": "DPM++ 2M"},
    ],
    ids=["second order, long", "AND", "back up", "interval", "hires", "unconditional", "seamless"],
)
def test_with_all_else_that_a_request_may_ask(tiny: Model, fields: dict[str, Any], shortcuts: Shortcuts) -> None:
    """It changes the picture, it is cheaper, and it stays near, since random weights hardly look at anything."""
    asked = ask(**{"steps": 6, **fields})
    plain, (works, pictures) = drawn_alone(tiny, asked), told(asked.changed(shortcuts=shortcuts), tiny)
    cheap = drawn_alone(tiny, asked.changed(shortcuts=shortcuts))
    assert pictures
    assert not torch.equal(plain, cheap)
    assert psnr(plain, cheap) > 12
    plain_works, _ = told(asked, tiny)
    assert "t" in kinds(works) or sum(rows(works)) < sum(rows(plain_works))


def test_in_one_engine_as_alone(tiny: Model) -> None:
    requests = [
        ask(prompt=f"a fox {i}", seed=i, steps=6 + i % 2, sampler=("Euler", "DPM++ 2M")[i % 2], shortcuts=shortcuts)
        for i, shortcuts in enumerate([*CHOICES.values(), Shortcuts()] * 2)
    ]
    alone = [drawn_alone(tiny, request) for request in requests]
    kitchen = Kitchen(tiny)
    for i, request in enumerate(requests):
        kitchen.add(str(i), request)
    kitchen.finish()
    for i, expected in enumerate(alone):
        assert isinstance(kitchen.endings[str(i)], Done)
        assert psnr(expected, kitchen.latents[str(i)]) >= 80
    assert kitchen.engine.forwards["Evaluate"] < sum(request.steps or 0 for request in requests)


def test_who_takes_over_begins_with_memories_of_their_own(tiny: Model, other: Model) -> None:
    asked = ask(steps=6, sampler="Euler", refiner=Refiner(model="other", switch_at=0.5))
    load = performer(by_name({"other": other}))
    works, _ = told(asked.changed(shortcuts=Shortcuts(features_every=4)), tiny, load)
    own = [one.model is tiny for one in evaluations(works)]
    first = own.index(False)
    assert kinds(works)[0] == kinds(works)[first] == "k"
    assert kinds(works)[first + 1 :].startswith("t")


@pytest.mark.parametrize("shortcuts", CHOICES.values(), ids=CHOICES.keys())
def test_to_cancel_leaves_nothing(tiny: Model, shortcuts: Shortcuts) -> None:
    close_at_every_yield(ask(shortcuts=shortcuts), tiny)
    before = live_tensors()
    close_at_every_yield(ask(shortcuts=shortcuts), tiny)
    assert live_tensors() == before
    assert not any("forward" in vars(module) for module in tiny.parts["unet"].modules())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"steps": 1, "shortcuts": Shortcuts(features_every=2)}, "steps is 1, allowed is at least 2 with shortcuts"),
        ({"shortcuts": Shortcuts(gate=0.9)}, "shortcuts.gate is 0.9, allowed is at most 0.75 of 4 steps"),
        ({"steps": 3, "shortcuts": Shortcuts(gate=0.667)}, "allowed is at most 0.666 of 3 steps"),
        ({"shortcuts": Shortcuts(ngms=1), "guidance": Guidance(scale=1)}, "0 at a guidance scale of 1"),
        ({"shortcuts": Shortcuts(ngms=0.001)}, "above the last noise level"),
    ],
)
def test_what_would_do_nothing_is_refused(tiny: Model, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(BadValue, match=words):
        told(ask(**fields), tiny)


def test_a_flag_that_says_nothing_alone_is_refused() -> None:
    with pytest.raises(BadValue, match=r"shortcuts\.ngms_all is True, allowed is given together with ngms"):
        Shortcuts(ngms_all=True)


@pytest.mark.parametrize("shortcuts", [Shortcuts(features_every=2), Shortcuts(gate=0.5)])
def test_models_without_a_unet_refuse(transformer: Model, shortcuts: Shortcuts) -> None:
    settled = settle(ask(shortcuts=shortcuts), transformer)
    with pytest.raises(Unsupported, match="needs a U-Net"):
        check_shortcuts(settled, transformer)


@pytest.mark.parametrize("shortcuts", [*CHOICES.values(), Shortcuts(ngms=1.5, ngms_all=True)])
def test_infotext_tells_it_and_reads_back(tiny: Model, shortcuts: Shortcuts) -> None:
    _, (picture, *_) = told(ask(shortcuts=shortcuts), tiny)
    recalled = recall(infotext.read(picture.infotext))
    assert recalled.request().shortcuts == shortcuts
    assert not recalled.ignored


def test_infotext_of_others_is_read() -> None:
    said = infotext.read("a fox\nSteps: 20, Sampler: Euler, CFG scale: 7, NGMS: 1.5, NGMS all steps: True, Seed: 1")
    assert recall(said).request().shortcuts == Shortcuts(ngms=1.5, ngms_all=True)
