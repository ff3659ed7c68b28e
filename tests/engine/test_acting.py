"""The seam of row adapters: what leads one row touches no other, several add up, and all share forwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from easel.core.work import Act, Evaluate, Rows
from easel.engine.acting import layers
from easel.engine.runner import perform
from easel.engine.smaller import cut
from easel.models.family import Model
from easel.models.gpu.inputs import nested
from easel.recipes.acting import Acting, acts_at


class Pushes:
    """Adds one number to what the middle of a U-Net gives, and nothing on the way down. heard: rows of each forward."""

    def __init__(self) -> None:
        self.heard: list[list[float | None]] = []

    @contextmanager
    def acting(self, model: Any, rows: Rows, acts: Sequence[Act | None]) -> Iterator[Mapping[str, Tensor]]:
        self.heard.append([act and act.prepared * act.strength for act in acts])
        pushes = torch.tensor([act.prepared * act.strength if act else 0.0 for act in acts])[:, None, None, None]
        shapes = [(32, 8), (32, 8), (32, 4), (64, 4)]  # of the tiny U-Net's residuals: channels and side
        told = {
            f"down_block_additional_residuals.{i}": torch.zeros(len(rows), channels, side, side)
            for i, (channels, side) in enumerate(shapes)
        }
        yield told | {"mid_block_additional_residual": pushes.expand(-1, 64, 4, 4)}


def rows_of(model: Model, acts: tuple[tuple[Act, ...], ...], seed: int = 0) -> Rows:
    count = len(acts)
    drawn = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 4, 8, 8, generator=drawn)
    context = torch.randn(count, 77, 32, generator=drawn)
    return Rows(x, torch.full((count,), 2.0, dtype=torch.float64), context, acts=acts if any(acts) else ())


def predicted(model: Model, *batches: Rows) -> list[Tensor]:
    return perform([Evaluate(model, batch) for batch in batches])


def test_rows_with_and_without_share_a_forward_and_equal_each_alone(tiny: Model) -> None:
    pushes = Pushes()
    batch = rows_of(tiny, ((Act(pushes, 0.5),), (), (Act(pushes, 0.5, 2.0),)))
    (together,) = predicted(tiny, batch)
    assert pushes.heard == [[0.5, None, 1.0]]
    alone = torch.cat(predicted(tiny, *[row for row in cut(batch, 1)]))
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    (without,) = predicted(tiny, replace(batch, acts=()))
    torch.testing.assert_close(together[1], without[1], atol=1e-5, rtol=1e-5)
    assert (together[0] - without[0]).abs().max() > 1e-3
    assert (together[2] - without[2]).abs().max() > (together[0] - without[0]).abs().max()


def test_batches_of_several_requests_keep_their_acts(tiny: Model) -> None:
    pushes = Pushes()
    with_act, without = rows_of(tiny, ((Act(pushes, 0.5),),)), rows_of(tiny, ((),), seed=1)
    first, second = predicted(tiny, without, with_act)
    assert pushes.heard == [[None, 0.5]]
    torch.testing.assert_close(
        torch.cat([first, second]), torch.cat(predicted(tiny, without) + predicted(tiny, with_act))
    )


def test_an_adapter_that_acts_twice_on_a_row_adds_up(tiny: Model) -> None:
    pushes = Pushes()
    (twice,) = predicted(tiny, rows_of(tiny, ((Act(pushes, 0.25), Act(pushes, 0.5)),)))
    (once,) = predicted(tiny, rows_of(tiny, ((Act(pushes, 0.75),),)))
    torch.testing.assert_close(twice, once, atol=1e-5, rtol=1e-5)
    assert pushes.heard == [[0.25], [0.5], [0.75]]


def test_layers_give_every_adapter_its_acts_in_order() -> None:
    one, other = Pushes(), Pushes()
    a, b, c = Act(one, 1.0), Act(one, 2.0), Act(other, 3.0)
    assert list(layers([(a, b), (), (c, b)])) == [(one, [a, None, b]), (one, [b, None, None]), (other, [None, None, c])]


def test_names_with_numbers_make_lists() -> None:
    one, two, three = (torch.tensor(float(i)) for i in range(3))
    named = {f"residuals.{i}": one for i in range(11)} | {"residuals.2": two, "kept.text": three}
    found = nested(named)
    assert isinstance(found["residuals"], list)
    assert len(found["residuals"]) == 11
    assert found["residuals"][2] is two
    assert found["kept"] == {"text": three}


@pytest.mark.parametrize(
    ("share", "away", "acts"),
    [(0.0, False, False), (0.2, False, True), (0.5, False, True), (0.6, False, False), (0.3, True, False)],
)
def test_what_acts_does_so_in_its_range_and_on_its_side(share: float, away: bool, acts: bool) -> None:
    pushes = Pushes()
    acting = Acting(pushes, positive=("hint",), negative=(), start=0.2, end=0.5)
    assert (acting.at(3, away=away, share=share) is not None) == acts


def test_each_picture_has_its_own_and_no_strength_is_no_act() -> None:
    pushes = Pushes()
    own = Acting(pushes, positive=("first", "second"), negative=("none",))
    acts = acts_at([own, replace(own, strength=0.0)], [(0, False), (1, False), (1, True)], 0.0)
    assert [[act.prepared for act in row] for row in acts] == [["first"], ["second"], ["none"]]
    assert acts_at([replace(own, strength=0.0)], [(0, False)], 0.0) == ()
