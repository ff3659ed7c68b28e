"""Recorded forwards, by a recorder that replays on the processor what a card would."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from easel.models.gpu.forwards import Forwards
from easel.models.gpu.graphs import Graphs
from easel.models.gpu.inputs import Inputs
from tests.models.gpu.parts import conv_of, read_by_unet, unet
from tests.models.gpu.recording import ProcessorRecorder, fetched

PLENTY = 10**9


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def recording(budget: int = PLENTY) -> tuple[Forwards, Graphs, ProcessorRecorder]:
    recorder = ProcessorRecorder()
    graphs = Graphs(recorder, budget)
    return Forwards("cpu", fetched, graphs), graphs, recorder


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8, 9, 16, 19, 35])
def test_filled_up_rows_are_those_of_the_part(rows: int) -> None:
    part, inputs = unet(), read_by_unet(rows)
    forwards, graphs, _ = recording()
    for _ in range(2):
        torch.testing.assert_close(forwards.denoised(part, inputs), inputs.given_to(part), atol=1e-5, rtol=1e-5)
    assert graphs.replayed == 2 * -(-rows // 16)


def test_rows_of_a_full_width_keep_their_bits_and_their_order() -> None:
    part, inputs = unet(), read_by_unet(4)
    forwards, _, _ = recording()
    found = forwards.denoised(part, inputs)
    assert torch.equal(found, inputs.given_to(part))
    turned = Inputs({name: value.flip(0) for name, value in inputs.rows.items()})
    assert torch.equal(forwards.denoised(part, turned), found.flip(0))


def test_a_result_outlives_later_replays() -> None:
    part = unet()
    forwards, _, _ = recording()
    first = forwards.denoised(part, read_by_unet(2, seed=1))
    kept = first.clone()
    forwards.denoised(part, read_by_unet(2, seed=2))
    assert torch.equal(first, kept)


def test_a_width_is_recorded_once() -> None:
    part = unet()
    forwards, graphs, _ = recording()
    for rows in (3, 4, 3, 4):
        forwards.denoised(part, read_by_unet(rows))
    assert (graphs.made, graphs.replayed, len(graphs)) == (1, 4, 1)
    forwards.denoised(part, read_by_unet(5))
    assert graphs.made == 2


def test_weights_changed_in_place_are_read_by_the_same_recording() -> None:
    part, inputs = unet(), read_by_unet(2)
    forwards, graphs, _ = recording()
    before = forwards.denoised(part, inputs)
    with torch.inference_mode(False):
        conv_of(part).weight.data.mul_(2)
    after = forwards.denoised(part, inputs)
    assert not torch.allclose(before, after)
    assert torch.equal(after, inputs.given_to(part))
    assert graphs.made == 1


def test_weights_that_moved_are_recorded_anew() -> None:
    part, inputs = unet(), read_by_unet(2)
    forwards, graphs, _ = recording()
    forwards.denoised(part, inputs)
    with torch.inference_mode(False):
        conv_of(part).weight.data = conv_of(part).weight.data * 3
    assert torch.equal(forwards.denoised(part, inputs), inputs.given_to(part))
    assert (graphs.made, len(graphs)) == (2, 1)


def test_the_recorder_of_these_tests_follows_no_weight_that_moved() -> None:
    """So that the law before it can fail, as it would on a card."""
    part, inputs = unet(), read_by_unet(2)
    recorder = ProcessorRecorder()
    recorded = recorder.record(lambda: inputs.given_to(part))
    with torch.inference_mode(False):
        conv_of(part).weight.data = conv_of(part).weight.data * 3
    recorded.replay()
    assert not torch.allclose(recorded.output, inputs.given_to(part))


def test_two_shapes_never_share_buffers() -> None:
    parts = [unet(), unet(1)]
    forwards, _, recorder = recording()
    for part in parts:
        for tokens in (7, 14):
            for rows in (1, 2):
                forwards.denoised(part, read_by_unet(rows, tokens=tokens))
    places = [value.data_ptr() for buffers in recorder.made for value in buffers.there.tensors]
    assert len(recorder.made) == 8
    assert len(set(places)) == len(places)
    for part in parts:
        for tokens in (7, 14):
            inputs = read_by_unet(2, seed=3, tokens=tokens)
            assert torch.equal(forwards.denoised(part, inputs), inputs.given_to(part))


def test_the_least_recently_used_is_forgotten_beyond_the_budget() -> None:
    """Room for three of one row; the tokens tell them apart."""
    part = unet()
    inputs = {tokens: read_by_unet(1, tokens=tokens) for tokens in (1, 2, 3, 4)}
    room = 3 * (sum(value.nbytes for value in inputs[4].tensors) + ProcessorRecorder().bytes)
    forwards, graphs, _ = recording(budget=room)
    made: list[int] = []
    for tokens in (1, 2, 3, 1, 4, 1, 2):  # 4 takes the place of 2, and 2 then that of 3
        forwards.denoised(part, inputs[tokens])
        assert graphs.bytes <= graphs.budget
        made.append(graphs.made)
    assert made == [1, 2, 3, 3, 4, 4, 5]


def test_one_is_kept_however_small_the_budget() -> None:
    part = unet()
    forwards, graphs, _ = recording(budget=1)
    for _ in range(2):
        forwards.denoised(part, read_by_unet(1))
    assert (graphs.made, len(graphs)) == (1, 1)


def test_recordings_go_with_their_part() -> None:
    forwards, graphs, _ = recording()
    part: nn.Module | None = unet()
    assert part is not None
    forwards.denoised(part, read_by_unet(1))
    other = unet(1)
    del part
    gc.collect()
    forwards.denoised(other, read_by_unet(1))
    forwards.denoised(other, read_by_unet(2))
    assert graphs.made == 3
    assert len(graphs) == 2


def test_memory_is_given_back() -> None:
    part = unet()
    forwards, graphs, _ = recording()
    assert not forwards.forget()
    forwards.denoised(part, read_by_unet(1))
    assert forwards.forget()
    assert graphs.bytes == 0


@pytest.mark.parametrize("hang", ["hook", "pre-hook", "forward"])
def test_what_anything_hangs_on_runs_as_it_is(hang: str) -> None:
    """So do networks by rows, seamless edges, shortcuts and streamed blocks; with their own rows, not filled up."""
    part, inputs = unet(), read_by_unet(3)
    forwards, graphs, _ = recording()
    forwards.denoised(part, inputs)
    conv, seen = conv_of(part), []

    def look(module: nn.Module, args: tuple[Tensor, ...], *_: Any) -> None:
        seen.append(len(args[0]))

    if hang == "hook":
        handle = conv.register_forward_hook(look)
    elif hang == "pre-hook":
        handle = conv.register_forward_pre_hook(look)
    else:
        conv.forward = lambda x: (seen.append(len(x)), type(conv).forward(conv, x))[1]  # type: ignore[method-assign]
        handle = None
    assert torch.equal(forwards.denoised(part, inputs), inputs.given_to(part))
    assert seen == [3, 3]
    assert graphs.replayed == 1
    if handle is None:
        del conv.forward
    else:
        handle.remove()
    forwards.denoised(part, inputs)
    assert (graphs.made, graphs.replayed) == (1, 2)


def test_a_recording_that_fails_costs_one_line(caplog: pytest.LogCaptureFixture) -> None:
    part, inputs = unet(), read_by_unet(2)
    forwards, _, recorder = recording()
    recorder.fails = RuntimeError("operation not permitted when stream is capturing\nCUDA kernel errors")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert torch.equal(forwards.denoised(part, inputs), inputs.given_to(part))
    assert [record.getMessage() for record in caplog.records] == [
        "UNet2DConditionModel cannot be recorded (operation not permitted when stream is capturing); it runs as it is."
    ]


def test_no_memory_for_a_recording_gives_the_others_up() -> None:
    part, inputs = unet(), read_by_unet(2)
    forwards, graphs, recorder = recording()
    forwards.denoised(part, read_by_unet(1))
    recorder.fails = torch.OutOfMemoryError("CUDA out of memory")
    assert torch.equal(forwards.denoised(part, inputs), inputs.given_to(part))
    assert len(graphs) == 0
    recorder.fails = None
    forwards.denoised(part, inputs)
    assert len(graphs) == 1


def test_what_rows_share_is_read_anew_too() -> None:
    """Two sizes of a transformer's picture have equally many patches in other places."""

    class Placed(nn.Module):
        def forward(self, x: Tensor, places: Tensor, return_dict: bool) -> tuple[Tensor]:
            return (x * places,)

    part = Placed()
    forwards, graphs, _ = recording()
    x = torch.ones(2, 3)
    for places in (torch.tensor([1.0, 2.0, 3.0]), torch.tensor([3.0, 2.0, 1.0])):
        assert torch.equal(forwards.denoised(part, Inputs({"x": x}, {"places": places})), x * places)
    assert graphs.made == 1
