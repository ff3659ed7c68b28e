"""Edges, drawings and straight lines: files in the published layouts, held against their architectures' arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from easel.core.errors import Incomplete, Mismatch
from easel.models.accelerate import Machine
from easel.models.memory.residency import Residency
from easel.models.readers import Readers, hint_of
from easel.models.readers.edges import crests
from easel.models.readers.lines import segments
from easel.models.readers.networks.anime import Anime
from easel.models.readers.networks.hed import DEPTHS, Hed
from easel.models.readers.networks.mlsd import Mlsd
from easel.models.readers.networks.sketch import Sketch
from easel.models.readers.networks.teed import Teed
from tests.counting import CountingDevice
from tests.models.readers.making import readers_of, scene, write_weights

Weights = Mapping[str, Tensor]


def hed_by_hand(weights: Weights, levels: Tensor) -> Tensor:
    """ControlNet's HED from the published description: five blocks of convolutions, a map of each, their mean."""
    x, maps = levels - weights["norm"], []
    for block, depth in enumerate(DEPTHS, 1):
        if block > 1:
            x = F.max_pool2d(x, 2, 2)
        for layer in range(depth):
            name = f"block{block}.convs.{layer}"
            x = F.relu(F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1))
        name = f"block{block}.projection"
        found = F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"])
        maps.append(F.interpolate(found, levels.shape[-2:], mode="bilinear"))
    return torch.sigmoid(sum(maps) / 5)  # type: ignore[operator]


def sketch_by_hand(weights: Weights, x: Tensor) -> Tensor:
    """The generator of Informative Drawings, layer by layer."""

    def conv(name: str, x: Tensor, pad: int = 0, **how: int) -> Tensor:
        x = F.pad(x, (pad,) * 4, mode="reflect") if pad else x
        return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], **how)  # type: ignore[arg-type]

    x = F.relu(F.instance_norm(conv("model0.1", x, 3)))
    for place in (0, 3):
        x = F.relu(F.instance_norm(conv(f"model1.{place}", x, stride=2, padding=1)))
    for block in range(3):
        inner = F.relu(F.instance_norm(conv(f"model2.{block}.conv_block.1", x, 1)))
        x = x + F.instance_norm(conv(f"model2.{block}.conv_block.5", inner, 1))
    for place in (0, 3):
        name = f"model3.{place}"
        up = F.conv_transpose2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], 2, 1, 1)
        x = F.relu(F.instance_norm(up))
    return torch.sigmoid(conv("model4.1", x, 3))


def teed_by_hand(weights: Weights, levels: Tensor) -> Tensor:
    """TEED from its published description, layer by layer."""

    def smish(x: Tensor) -> Tensor:
        return x * torch.tanh(torch.log(1 + torch.sigmoid(x)))

    def conv(name: str, x: Tensor, **how: int) -> Tensor:
        return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], **how)  # type: ignore[arg-type]

    def up(name: str, x: Tensor, padding: int) -> Tensor:
        return F.conv_transpose2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], 2, padding)

    one = smish(conv("block_1.conv2", smish(conv("block_1.conv1", levels, stride=2, padding=1)), padding=1))
    two = conv("block_2.conv2", smish(conv("block_2.conv1", one, padding=1)), padding=1)
    down = F.max_pool2d(two, 3, 2, 1)
    three = smish(conv("dblock_3.denselayer1.conv1", smish(down + conv("side_1.conv", one, stride=2)), padding=2))
    three = 0.5 * (conv("dblock_3.denselayer1.conv2", three) + conv("pre_dense_3.conv", down))
    maps = [
        up(f"up_block_{n}.features.2", smish(conv(f"up_block_{n}.features.0", x)), 0) for n, x in ((1, one), (2, two))
    ]
    wide = up("up_block_3.features.2", smish(conv("up_block_3.features.0", three)), 1)
    maps.append(up("up_block_3.features.5", smish(conv("up_block_3.features.3", wide)), 1))
    joined = conv("block_cat.DWconv1", smish(torch.cat(maps, 1)), padding=1, groups=3)
    last = conv("block_cat.DWconv2", smish(joined), padding=1, groups=24)
    maps.append(smish((joined + last).sum(1, keepdim=True)))
    return torch.sigmoid(sum(maps) / 4)  # type: ignore[operator]


def lively(module: torch.nn.Module) -> torch.nn.Module:
    """Return a network whose weights are neither zeros nor so small that nothing shows."""
    torch.manual_seed(1)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            spread = 0.5 / max(1, tensor[0].numel()) ** 0.5 if tensor.ndim > 1 else 0.1
            tensor.copy_(
                1 + 0.1 * torch.rand_like(tensor) if "running_var" in name else spread * torch.randn_like(tensor)
            )
    return module.eval()


def levels_of(image: Image.Image) -> Tensor:
    return torch.from_numpy(numpy.asarray(image, numpy.float32).copy()).permute(2, 0, 1)[None]


def test_hed_is_the_published_network(tmp_path: Path) -> None:
    network = lively(Hed())
    write_weights(network, tmp_path / "annotators/ControlNetHED.pth")
    readers = readers_of(tmp_path)
    hint = hint_of(scene(), "softedge_hed", readers=readers)
    by_hand = hed_by_hand(network.state_dict(), levels_of(scene()))[0, 0].numpy() * 255
    assert hint.size == (96, 64) and numpy.ptp(by_hand) > 5
    assert abs(numpy.asarray(hint)[..., 0] - by_hand).max() <= 0.51
    safe = numpy.asarray(hint_of(scene(), "softedge_hedsafe", readers=readers))
    assert set(numpy.unique(safe)) <= {0, 128, 255}
    pen = numpy.asarray(hint_of(scene(), "scribble_hed", readers=readers))
    assert set(numpy.unique(pen)) <= {0, 255}


def test_teed_is_the_published_network(tmp_path: Path) -> None:
    network = lively(Teed())
    assert sum(parameter.numel() for parameter in network.parameters()) == 58_910
    write_weights(network, tmp_path / "preprocessors/7_model.pth")
    readers = readers_of(tmp_path)
    hint = numpy.asarray(hint_of(scene(), "softedge_teed", options={"steps": 0}, readers=readers))
    by_hand = teed_by_hand(network.state_dict(), levels_of(scene()))[0, 0].numpy() * 255
    assert numpy.ptp(by_hand) > 5 and abs(hint[..., 0] - by_hand).max() <= 0.51
    stepped = numpy.asarray(hint_of(scene(99, 61), "softedge_teed", options={"steps": 4}, readers=readers))
    assert stepped.shape == (61, 99, 3) and set(numpy.unique(stepped)) <= {0, 64, 128, 191, 255}


def test_a_scribble_follows_a_bright_line() -> None:
    levels = numpy.zeros((40, 40), numpy.float32)
    levels[18:23] = 255
    found = crests(levels)[:, 12:-12]
    assert numpy.flatnonzero(found.any(1)).tolist() == [20] and found.any(0).all()


def test_line_art_is_the_published_network(tmp_path: Path) -> None:
    fine, coarse = lively(Sketch()), Sketch().eval()
    write_weights(fine, tmp_path / "preprocessors/sk_model.pth", prefix="module.")
    write_weights(coarse, tmp_path / "preprocessors/sk_model2.pth", dtype=torch.float16)
    readers = readers_of(tmp_path)
    hint = hint_of(scene(), "lineart_realistic", readers=readers)
    by_hand = 255 - sketch_by_hand(fine.state_dict(), levels_of(scene()) / 255)[0, 0].numpy() * 255
    assert numpy.ptp(by_hand) > 5 and abs(numpy.asarray(hint)[..., 0] - by_hand).max() <= 0.51
    odd = hint_of(scene(97, 63), "lineart_coarse", readers=readers)
    assert (
        odd.size == (97, 63) and odd.tobytes() != hint_of(scene(97, 63), "lineart_realistic", readers=readers).tobytes()
    )


def test_the_anime_network_has_the_published_names_and_shapes() -> None:
    with torch.device("meta"):
        names = {name: tuple(tensor.shape) for name, tensor in Anime().state_dict().items()}
    assert len(names) == 32  # eight levels, each a convolution down and one up
    inner = "model.model.1.model.3.model.3.model.3.model.3.model.3.model.3.model"
    assert names["model.model.0.weight"] == (64, 3, 4, 4) and names["model.model.3.weight"] == (128, 1, 4, 4)
    assert names["model.model.1.model.1.weight"] == (128, 64, 4, 4)
    assert names[f"{inner}.1.weight"] == names[f"{inner}.3.weight"] == (512, 512, 4, 4)
    drawing = Anime(2).eval()(torch.rand(1, 3, 256, 256) * 2 - 1)
    assert drawing.shape == (1, 1, 256, 256) and drawing.abs().max() <= 1


def test_straight_lines_are_read_from_the_maps() -> None:
    maps = torch.full((1, 9, 32, 48), -9.0)
    maps[0, 1:5] = 0
    for row, column, likely, ways in ((10, 20, 4.0, (-5.0, -2.0, 6.0, 3.0)), (20, 30, 3.0, (-1.0, 0.0, 1.0, 0.0))):
        maps[0, 0, row, column] = likely
        maps[0, 0, row, column + 1] = likely - 1  # no peak
        maps[0, 1:5, row, column] = torch.tensor(ways)
    assert segments(maps, 0.5, 0.1).tolist() == [[15, 8, 26, 13], [29, 20, 31, 20]]
    assert segments(maps, 0.5, 5.0).tolist() == [[15, 8, 26, 13]]
    assert len(segments(maps, 0.99, 0.1)) == 0


def test_m_lsd_reads_its_file_and_draws(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Mlsd().eval()
    names = network.state_dict()
    assert names["backbone.features.0.0.weight"].shape == (32, 4, 3, 3)
    assert names["backbone.features.13.conv.2.weight"].shape == (96, 576, 1, 1)
    assert names["block15.conv1.0.weight"].shape == (64, 96, 1, 1) and names["block23.conv3.bias"].shape == (16,)
    assert network(torch.zeros(1, 4, 64, 128)).shape == (1, 9, 32, 64)
    write_weights(network, tmp_path / "preprocessors/mlsd_large_512_fp32.pth")
    readers = readers_of(tmp_path)
    many = numpy.asarray(hint_of(scene(), "mlsd", options={"score": 0.01, "distance": 0.0}, readers=readers))
    assert many.shape == (64, 96, 3)
    none = hint_of(scene(), "mlsd", options={"score": 1.0}, readers=readers)
    assert not numpy.asarray(none).any()


def test_a_file_of_another_layout_is_told_by_name(tmp_path: Path) -> None:
    file = write_weights(torch.nn.Linear(2, 2), tmp_path / "preprocessors/ControlNetHED.pth")
    with pytest.raises(Incomplete, match=f"{file.name}: .* tensors are missing, first 'block1"):
        hint_of(scene(), "softedge_hed", readers=readers_of(tmp_path))
    network = Sketch()
    network.model4[1] = torch.nn.Conv2d(64, 3, 7)
    write_weights(network, tmp_path / "preprocessors/sk_model.pth")
    with pytest.raises(Mismatch, match=r"'model4.1.weight' is \(3, 64, 7, 7\)"):
        hint_of(scene(), "lineart_realistic", readers=readers_of(tmp_path))


@pytest.mark.parametrize("budget", [2**26, 2**24])
def test_on_a_device_with_memory_of_its_own_the_hint_is_the_same(tmp_path: Path, budget: int) -> None:
    write_weights(lively(Sketch()), tmp_path / "preprocessors/sk_model.pth")
    plain = readers_of(tmp_path)
    device = CountingDevice(2**28)
    machine = Machine("cpu", torch.float32, torch.float32, Residency(device, budget))
    bounded = Readers(plain.library, machine)
    for _ in range(2):
        hint = hint_of(scene(), "lineart_realistic", readers=bounded)
        assert hint.tobytes() == hint_of(scene(), "lineart_realistic", readers=plain).tobytes()
    assert device.peak > 0


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (17, 9)])
def test_pictures_of_any_size_are_drawn_at_theirs(tmp_path: Path, size: tuple[int, int]) -> None:
    files = {Hed: "ControlNetHED.pth", Sketch: "sk_model.pth", Teed: "5_model.pth", Mlsd: "mlsd_large_512_fp32.pth"}
    for make, file in files.items():
        write_weights(make(), tmp_path / "preprocessors" / file, dtype=torch.float16)
    readers = readers_of(tmp_path)
    for name in ("softedge_hed", "lineart_realistic", "softedge_teed", "mlsd"):
        assert hint_of(scene(128, 64).resize(size), name, readers=readers).size == size
