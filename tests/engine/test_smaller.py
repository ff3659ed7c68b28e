"""Work that does not fit is done in less memory, step by step, and fails alone and in words where nothing helps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from easel.core.errors import OutOfMemory
from easel.core.settings import read_settings
from easel.core.work import Act, Decode, Encode, EncodeImages, Evaluate, Finish, Rows, Text, Work
from easel.engine.runner import perform
from easel.engine.smaller import REMEDY, cut, halves, in_our_words, partings
from easel.models.accelerate import Machine
from easel.models.family import Model, load
from easel.models.layouts.identify import identify
from easel.models.memory.moving import size_of, tensors_of
from easel.models.memory.residency import Residency
from tests.counting import CountingDevice

MIB = 2**20


class Small:
    """A model in a memory of its own: the real one, whose forwards fail as torch's do when `fits` says no.

    tried: what was asked of it, as the verb, rows and tile, or what weights took.
    """

    def __init__(self, model: Model, fits: Callable[..., bool]) -> None:
        self.model, self.machine, self.latent, self.parts = model, model.machine, model.latent, model.parts
        self.fits = fits
        self.tried: list[Any] = []

    def _call(self, verb: str, given: Any, *more: Any) -> Any:
        facts = (verb, len(given), *more)
        self.tried.append(facts)
        if not self.fits(*facts):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 ...")
        return getattr(self.model, verb)(given, *more)

    def encode(self, texts: Sequence[Text]) -> Any:
        return self._call("encode", texts)

    def predict(self, rows: Rows) -> Tensor:
        return self._call("predict", rows)

    def encode_images(self, pixels: Tensor) -> Tensor:
        return self._call("encode_images", pixels)

    def decode(self, latents: Tensor, tile: int = 0) -> Tensor:
        return self._call("decode", latents, tile)


def works_of(model: Any, count: int, rows: int) -> dict[str, list[Work]]:
    """Some work of each kind, the same whoever performs it."""
    chance = torch.Generator().manual_seed(0)

    def some(*shape: int) -> Tensor:
        return torch.rand(rows, *shape, generator=chance)

    batches = [Rows(some(4, 8, 8), torch.full((rows,), 2.0).double(), some(77, 32)) for _ in range(count)]
    texts = tuple(Text(f"a fox {n}") for n in range(rows))
    return {
        "evaluate": [Evaluate(model, batch) for batch in batches],
        "encode": [Encode(model, texts) for _ in range(count)],
        "encode images": [EncodeImages(model, some(3, 64, 64)) for _ in range(count)],
        "decode": [Decode(model, some(4, 8, 8)) for _ in range(count)],
    }


def numbers(outcome: Any) -> Tensor:
    """An outcome as one tensor."""
    return outcome if isinstance(outcome, Tensor) else torch.stack([one.context for one in outcome])


@pytest.mark.parametrize("kind", ["evaluate", "encode", "encode images", "decode"])
def test_rows_are_halved_down_to_one(kind: str, tiny: Model) -> None:
    expected = perform(works_of(tiny, 2, 3)[kind])
    small = Small(tiny, lambda verb, rows, *more: rows <= 1)
    outcomes = perform(works_of(small, 2, 3)[kind])
    for outcome, right in zip(outcomes, expected, strict=True):
        torch.testing.assert_close(numbers(outcome), numbers(right), atol=2e-5, rtol=2e-5)
    assert [facts[1] for facts in small.tried] == [6, 3, 2, 1, 1, 1, 3, 2, 1, 1, 1]


def test_a_decode_works_in_smaller_and_smaller_tiles(tiny: Model) -> None:
    latents = torch.randn(1, 4, 80, 64, generator=torch.Generator().manual_seed(0))
    (expected,) = perform([Decode(tiny, latents)])
    small = Small(tiny, lambda verb, rows, tile: 0 < tile <= 384)
    (outcome,) = perform([Decode(small, latents)])
    assert [facts[2] for facts in small.tried] == [0, 512, 384]
    torch.testing.assert_close(outcome, expected, atol=5e-4, rtol=0)
    small.tried.clear()
    perform([Decode(small, latents, tile=512)])
    assert [facts[2] for facts in small.tried] == [512, 384]


def test_only_the_run_that_does_not_fit_fails(tiny: Model) -> None:
    """What else was in the call is answered, and an error of another kind is not tried again."""
    works = works_of(tiny, 3, 1)["evaluate"]
    poison = works[1]
    assert isinstance(poison, Evaluate)
    small = Small(tiny, lambda verb, rows: rows == 1 and small.tried.count(("predict", 1)) != 2)
    outcomes = perform([Evaluate(small, work.batch) for work in works if isinstance(work, Evaluate)])
    assert [type(outcome) for outcome in outcomes] == [Tensor, OutOfMemory, Tensor]
    assert outcomes[1].needed == 2 * 2**30 and outcomes[1].remedy == REMEDY
    broken = Decode(tiny, torch.randn(1, 3, 8, 8))
    (outcome,) = perform([broken])
    assert isinstance(outcome, RuntimeError)


def test_work_without_a_model_fails_in_words() -> None:
    def call() -> None:
        raise MemoryError

    (outcome,) = perform([Finish(call)])
    assert isinstance(outcome, OutOfMemory)
    assert str(outcome) == f"out of memory; {REMEDY}."


@pytest.fixture
def card(tiny_folder: Any) -> tuple[Model, CountingDevice]:
    """The tiny model on a device of its own."""
    device = CountingDevice(64 * MIB)
    machine = Machine("cpu", torch.float32, torch.float32, Residency(device, device.capacity))
    return load(identify(tiny_folder), read_settings(), machine=machine), device


def test_weights_give_room_to_forwards(card: tuple[Model, CountingDevice], tiny: Model) -> None:
    """Activations that need most of the device find it when the denoiser comes block by block."""
    model, device = card
    whole = size_of(tensors_of(model.parts["unet"]))

    class Hungry(Small):
        def predict(self, rows: Rows) -> Tensor:
            with self.machine.using(self.parts["unet"]):
                self.tried.append(device.used)
                if device.used > whole // 3:
                    raise torch.OutOfMemoryError("CUDA out of memory.")
                return self.model.predict(rows)

    (work,) = works_of(tiny, 1, 2)["evaluate"]
    assert isinstance(work, Evaluate)
    expected = [tiny.predict(work.batch)]
    hungry = Hungry(model, bool)
    (outcome,) = perform([Evaluate(hungry, work.batch)])
    torch.testing.assert_close(outcome, expected[0], atol=2e-5, rtol=2e-5)
    assert hungry.tried[:2] == [whole, whole]  # two rows, then one
    assert hungry.tried[2] < whole and hungry.tried[-1] <= whole // 3
    before = len(hungry.tried)
    perform([Evaluate(hungry, work.batch)])
    assert len(hungry.tried) == before + 1  # and the room stays theirs


def test_what_never_fits_fails_and_gives_the_room_back(card: tuple[Model, CountingDevice]) -> None:
    model, _ = card
    never = Small(model, lambda *facts: False)
    (work,) = works_of(never, 1, 1)["evaluate"]
    with model.machine.using(model.parts["unet"]):
        pass
    budget = model.machine.residency.budget  # type: ignore[union-attr]
    (outcome,) = perform([work])
    assert isinstance(outcome, OutOfMemory)
    assert model.machine.residency.budget == budget  # type: ignore[union-attr]
    assert 1 < len(never.tried) < 10


def test_a_decode_takes_tiles_before_it_fails(tiny_folder: Any) -> None:
    """The device has no room for the whole; so it is never tried."""
    device = CountingDevice(64 * MIB)
    residency = Residency(device, 2 * MIB, total=8 * MIB)
    machine = Machine("cpu", torch.float32, torch.float32, residency)
    model = load(identify(tiny_folder), read_settings(), machine=machine)
    small = Small(model, lambda *facts: True)
    perform([Decode(small, torch.randn(2, 4, 64, 64)), Decode(small, torch.randn(1, 4, 64, 64))])
    assert small.tried == [("decode", 1, 256)] * 3
    small.tried.clear()
    perform([Decode(small, torch.randn(2, 4, 8, 8))])
    assert small.tried == [("decode", 2, 0)]


@pytest.mark.parametrize(
    ("error", "needed", "free"),
    [
        (
            torch.OutOfMemoryError(
                "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 23.65 GiB of which "
                "1.50 GiB is free. Including non-PyTorch memory, ..."
            ),
            20 * MIB,
            3 * 2**29,
        ),
        (
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: you "
                "tried to allocate 4096 bytes. Error code 12 (Cannot allocate memory)"
            ),
            4096,
            None,
        ),
        (MemoryError(), None, None),
    ],
)
def test_torchs_words_in_ours(error: Exception, needed: int | None, free: int | None) -> None:
    found = in_our_words(error)
    assert isinstance(found, OutOfMemory)
    assert (found.needed, found.free) == (needed, free)
    assert "smaller size" in found.message and "--vram" in found.message
    assert found.__cause__ is None and found.__traceback__ is None


def test_other_errors_are_as_they_were() -> None:
    error = ValueError("out of luck")
    assert in_our_words(error) is error


def bound(rows: int, *bonds: tuple[int, ...]) -> Rows:
    """Rows of which some are bound together."""
    acts = tuple(tuple(Act(None, row, bond=bond) for bond in bonds if row in bond) for row in range(rows))  # type: ignore[arg-type]
    return Rows(torch.zeros(rows, 4, 8, 8), torch.ones(rows).double(), torch.zeros(rows, 77, 32), acts=acts)


@pytest.mark.parametrize(
    ("bonds", "places"),
    [
        ((), [1, 2, 3, 4, 5]),
        (((0, 1, 2), (3, 4, 5)), [3]),
        (((0, 1, 2, 3, 4, 5),), []),
        (((1, 4), (2, 3)), [1, 5]),
        (((0, 1), (1, 2)), [3, 4, 5]),
    ],
)
def test_a_batch_is_parted_beside_what_is_bound(bonds: tuple[tuple[int, ...], ...], places: list[int]) -> None:
    batch = bound(6, *bonds)
    assert partings(batch) == places
    for most in range(1, 7):
        parts = cut(batch, most)
        assert sum(map(len, parts)) == 6
        ends = [sum(len(one) for one in parts[: n + 1]) for n in range(len(parts) - 1)]
        assert set(ends) <= set(places)
        assert most > 1 or ends == places, "as narrow as it may be"


def test_rows_that_are_bound_are_halved_beside_each_other_and_never_within() -> None:
    model: Any = None
    first, second = halves(Evaluate(model, bound(6, (0, 1, 2, 3), (4, 5)))) or (None, None)
    assert isinstance(first, Evaluate) and isinstance(second, Evaluate)
    assert [act.prepared for (act,) in first.batch.acts] == [0, 1, 2, 3]
    assert [act.prepared for (act,) in second.batch.acts] == [4, 5]
    assert halves(first) is None and halves(second) is None
