"""RetinaFace: its body is a ResNet-50, its names are the published file's, and its numbers mean what they should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image

from easel.core.errors import Incomplete, Mismatch
from easel.core.settings import read_settings
from easel.core.work import Wanted
from easel.engine.shelf import Shelf
from easel.models.layouts.identify import identify
from easel.models.library.names import Library
from easel.post.finding import faces_in, load_finder
from easel.post.retinaface import Body, RetinaFace, expected, load, read
from tests.post.upscalerfiles import compact, write


@pytest.fixture(scope="module")
def tensors() -> dict[str, torch.Tensor]:
    """Return random weights under the published names, which sees a face of 64 pixels at every place of stride 16."""
    torch.manual_seed(0)
    with torch.device("meta"):
        names = RetinaFace().state_dict()
    found = {name: torch.zeros(one.shape) for name, one in names.items()}
    for name in found:
        if name.endswith("running_var"):
            found[name].fill_(1)
    for place in range(3):
        found[f"ClassHead.{place}.conv1x1.bias"] = torch.tensor((8.0, -8.0) * 2)
    found["ClassHead.1.conv1x1.bias"] = torch.tensor((-8.0, 8.0, 8.0, -8.0))
    found["LandmarkHead.1.conv1x1.bias"] = torch.arange(20.0) / 10
    return {f"module.{name}": one for name, one in found.items()}


def test_the_published_file_has_its_place_in_it() -> None:
    with torch.device("meta"):
        shapes = {name: tuple(one.shape) for name, one in RetinaFace().state_dict().items()}
    known = {
        "body.conv1.weight": (64, 3, 7, 7),
        "body.layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "body.layer1.0.downsample.1.running_var": (256,),
        "body.layer2.3.conv2.weight": (128, 128, 3, 3),
        "body.layer3.5.bn3.bias": (1024,),
        "body.layer4.2.conv3.weight": (2048, 512, 1, 1),
        "fpn.output1.0.weight": (256, 512, 1, 1),
        "fpn.output3.0.weight": (256, 2048, 1, 1),
        "fpn.merge2.1.running_mean": (256,),
        "ssh1.conv3X3.0.weight": (128, 256, 3, 3),
        "ssh3.conv7x7_3.1.weight": (64,),
        "ClassHead.0.conv1x1.weight": (4, 256, 1, 1),
        "BboxHead.2.conv1x1.weight": (8, 256, 1, 1),
        "LandmarkHead.1.conv1x1.bias": (20,),
    }
    assert {name: shapes.get(name) for name in known} == known
    assert not any("layer1.1.downsample" in name or "layer4.3" in name for name in shapes)


@torch.inference_mode()
def test_its_body_is_transformers_resnet_50() -> None:
    from transformers import ResNetConfig, ResNetModel

    torch.manual_seed(0)
    theirs: Any = ResNetModel(ResNetConfig()).eval()
    given = {name: one for name, one in theirs.state_dict().items() if not name.endswith("num_batches_tracked")}
    for name, one in given.items():
        if name.endswith("running_mean"):
            one.normal_(std=0.1)
        elif name.endswith("running_var"):
            one.uniform_(0.5, 2)
    with torch.device("meta"):
        ours = Body()
    ours.load_state_dict({as_published(name): one for name, one in given.items()}, assign=True)
    pixels = torch.randn(1, 3, 64, 32)
    wanted = theirs(pixels, output_hidden_states=True).hidden_states[2:]
    for one, other in zip(ours(pixels), wanted, strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-3 * float(other.abs().max()))


def as_published(name: str) -> str:
    """Return torchvision's name of a tensor of transformers' ResNet."""
    inside = {"convolution": "conv", "normalization": "bn"}
    if name.startswith("embedder."):
        _, _, kind, leaf = name.split(".")
        return f"{inside[kind]}1.{leaf}"
    parts = name.split(".")  # encoder.stages.S.layers.L.(layer.N | shortcut).kind.leaf
    lead, kind, leaf = f"layer{int(parts[2]) + 1}.{parts[4]}", parts[-2], parts[-1]
    if parts[5] == "shortcut":
        return f"{lead}.downsample.{('convolution', 'normalization').index(kind)}.{leaf}"
    return f"{lead}.{inside[kind]}{int(parts[6]) + 1}.{leaf}"


def test_numbers_are_read_against_what_cells_expect() -> None:
    size = (64, 40)
    middles, sides = expected(size)
    assert len(middles) == len(sides) == 2 * (8 * 5 + 4 * 3 + 2 * 2)
    assert middles[:3].tolist() == [[4, 4], [4, 4], [12, 4]]
    assert sides[[0, 1, 80, 81, 104, 105], 0].tolist() == [16, 32, 64, 128, 256, 512]
    boxes, points = numpy.zeros((len(middles), 4)), numpy.zeros((len(middles), 10))
    boxes[1], points[1, :2] = (1.0, -0.5, numpy.log(2) * 5, 0), (2.0, 1.0)
    rows = read(numpy.full(len(middles), 0.5), boxes, points, size)
    assert numpy.allclose(rows[0], [4 - 8, 4 - 8, 4 + 8, 4 + 8, 0.5, *(4, 4) * 5])
    x, y = 4 + 0.1 * 32, 4 - 0.05 * 32
    assert numpy.allclose(rows[1, :7], [x - 32, y - 16, x + 32, y + 16, 0.5, 4 + 6.4, 4 + 3.2])


def test_it_finds_by_the_file_that_stands_beside_restorers(tensors: dict[str, torch.Tensor], tmp_path: Path) -> None:
    counted = {**tensors, "module.body.bn1.num_batches_tracked": torch.tensor(3)}
    file = write(tmp_path / "GFPGAN" / "detection_Resnet50_Final.pth", counted)
    assert identify(file).kind == "detector"
    settings = read_settings(models=tmp_path)
    shelf = Shelf(Library(settings), settings)
    shelf.check(Wanted("faces", ""))
    finder = shelf.load(Wanted("faces", ""))
    assert finder.words == "RetinaFace"
    found = faces_in(Image.new("RGB", (320, 48)), finder)
    assert {one.box[2] - one.box[0] for one in found if 64 < one.box[0] < 220} == {32}  # looked at twice as large
    one = next(one for one in found if one.box[0] > 64 and one.box[3] - one.box[1] == 32)
    middle = (one.box[0] + one.box[2]) / 2, (one.box[1] + one.box[3]) / 2
    steps = [0.1 * 64 / 2 * number / 10 for number in range(10)]
    assert numpy.allclose(numpy.array(one.points).reshape(-1), numpy.tile(middle, 5) + steps, atol=0.6)


def test_other_files_are_refused(tensors: dict[str, torch.Tensor], tmp_path: Path) -> None:
    with pytest.raises(Mismatch, match=r"x\.safetensors: is no face detector; read are YuNet.*RetinaFace"):
        load_finder(write(tmp_path / "x.safetensors", compact().state_dict()))
    with pytest.raises(Incomplete, match="tensors are missing"):
        load({name: one for name, one in tensors.items() if "merge1" not in name}, tmp_path / "y.pth")
