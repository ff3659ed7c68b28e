"""What parts wear: merged or by rows as it pays, taken off in time, and forgotten with whatever it belonged to."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from weakref import ref

import pytest
import torch
from torch import Tensor, nn

from easel.adapters.networks.reading import read_network
from easel.core.errors import OutOfMemory
from easel.core.work import Networks
from easel.engine.loaded import LoadedNetwork
from easel.engine.wardrobe import Wardrobe
from tests.adapters.networks.making import kohya, layers, seen_by_unet, tiny_unet, weights, written

LONG, SHORT = (40, 40), (2, 2)  # forwards that each of two rows has still to come
NOTHING: Networks = ()


@pytest.fixture
def unet() -> nn.Module:
    return tiny_unet()


def loaded(folder: Path, unet: nn.Module, seed: int = 1) -> LoadedNetwork:
    tensors = kohya(unet, layers(unet), "lora_unet_", seed)
    return LoadedNetwork("style", read_network(written(folder, tensors, f"style-{seed}")))


def seen(wardrobe: Wardrobe, unet: nn.Module, rows: Sequence[Networks], left: Sequence[int] = SHORT) -> Tensor:
    """What a U-Net makes of two rows that wear this."""
    with wardrobe.wearing({"unet": unet}, "unet", rows, left):
        return seen_by_unet(unet, rows=2)


def same(unet: nn.Module, before: dict[str, Tensor]) -> bool:
    return all(torch.equal(tensor, before[name]) for name, tensor in unet.state_dict().items())


def test_merged_where_rows_are_alike_for_long(tmp_path: Path, unet: nn.Module) -> None:
    worn: Networks = ((loaded(tmp_path, unet), 0.5),)
    wardrobe, before = Wardrobe(), weights(unet)
    with wardrobe.wearing({"unet": unet}, "unet", [worn, worn], LONG, may_merge=False):
        by_rows = seen_by_unet(unet, rows=2)
    assert same(unet, before)
    merged = seen(wardrobe, unet, [worn, worn], LONG)
    assert not same(unet, before)
    torch.testing.assert_close(merged, by_rows, rtol=1e-4, atol=1e-4)
    assert torch.equal(seen(wardrobe, unet, [worn, worn], (1, 1)), merged)  # it stays while nobody wants otherwise
    assert not same(unet, before)


def test_unmerged_where_rows_are_mixed(tmp_path: Path, unet: nn.Module) -> None:
    worn: Networks = ((loaded(tmp_path, unet), 0.5),)
    wardrobe, before = Wardrobe(), weights(unet)
    merged = seen(wardrobe, unet, [worn, worn], LONG)
    mixed = seen(wardrobe, unet, [worn, NOTHING], LONG)
    assert same(unet, before)
    plain = seen_by_unet(unet, rows=2)
    torch.testing.assert_close(mixed, torch.cat([merged[:1], plain[1:]]), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(merged, plain, atol=1e-2)


@pytest.mark.parametrize("how", ["nothing worn", "rest"])
def test_what_is_merged_comes_off_bit_for_bit(tmp_path: Path, unet: nn.Module, how: str) -> None:
    worn: Networks = ((loaded(tmp_path, unet), 0.5),)
    wardrobe, before = Wardrobe(), weights(unet)
    seen(wardrobe, unet, [worn, worn], LONG)
    assert not same(unet, before)
    if how == "rest":
        wardrobe.rest()
    else:
        seen(wardrobe, unet, [])
    assert same(unet, before)


def test_nothing_is_merged_where_weights_come_and_go(tmp_path: Path, unet: nn.Module) -> None:
    worn: Networks = ((loaded(tmp_path, unet), 0.5),)
    wardrobe, before = Wardrobe(), weights(unet)
    with wardrobe.wearing({"unet": unet}, "unet", [worn, worn], LONG, may_merge=False):
        assert same(unet, before)
        assert not torch.allclose(seen_by_unet(unet, rows=2), seen_by_unet(tiny_unet(), rows=2), atol=1e-2)


def test_the_order_of_rows_needs_no_new_rack(tmp_path: Path, unet: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    """What hangs ready serves rows in any order, and fewer of them; bit for bit, as racks are made alike."""
    from easel.engine import wardrobe as module

    made: list[int] = []
    rack = module.Rack
    monkeypatch.setattr(module, "Rack", lambda part, wearings: made.append(len(wearings)) or rack(part, wearings))
    one, two = (((loaded(tmp_path, unet, seed), 0.5),) for seed in (1, 2))
    wardrobe = Wardrobe()
    first, back = seen(wardrobe, unet, [one, two]), seen(wardrobe, unet, [two, one])
    assert not torch.equal(first, back)
    assert torch.equal(seen(wardrobe, unet, [one, two]), first)
    seen(wardrobe, unet, [two, NOTHING])
    assert made == [2]


def test_strengths_that_vary_take_no_more_than_there_is_room(tmp_path: Path, unet: nn.Module) -> None:
    network = loaded(tmp_path, unet)
    size = 4 * sum(p.change.down.numel() + p.change.up.numel() for p in network.network.pieces)  # type: ignore[union-attr]
    wardrobe = Wardrobe(room=lambda: 3 * size)
    for tenth in range(1, 30):
        seen(wardrobe, unet, [((network, tenth / 10),), NOTHING])
        (closet,) = wardrobe._closets.values()
        assert sum(one.bytes for one in closet.racks) <= 3 * size
    assert len(closet.racks) == 3


def test_rows_that_wear_too_much_at_once_are_refused_together(tmp_path: Path, unet: nn.Module) -> None:
    """The engine then halves the rows; one alone is always tried."""
    network = loaded(tmp_path, unet)
    wardrobe = Wardrobe(room=lambda: 1)
    one, other = ((network, 0.5),), ((network, 0.7),)
    with pytest.raises(OutOfMemory, match="different networks"):
        seen(wardrobe, unet, [one, other])
    assert seen(wardrobe, unet, [one, NOTHING]).isfinite().all()


@pytest.mark.parametrize("left", [SHORT, LONG])
def test_a_forgotten_model_takes_along_what_it_wore(tmp_path: Path, left: tuple[int, int]) -> None:
    unet = tiny_unet()
    network = loaded(tmp_path, unet)
    wardrobe = Wardrobe()
    seen(wardrobe, unet, [((network, 0.5),)] * 2, left)
    gone = ref(unet)
    weight = ref(next(iter(unet.parameters())))
    del unet
    gc.collect()
    assert gone() is None and weight() is None and not len(wardrobe._closets)


def test_a_forgotten_network_leaves_the_closets(tmp_path: Path, unet: nn.Module) -> None:
    network = loaded(tmp_path, unet)
    wardrobe = Wardrobe()
    seen(wardrobe, unet, [((network, 0.5),)] * 2, SHORT)
    wardrobe.rest()
    gone = ref(network)
    del network
    gc.collect()
    (closet,) = wardrobe._closets.values()
    assert gone() is None and not len(closet.fits)
