"""RetinaFace (Deng et al. 2019, arXiv 1905.00641) on a ResNet-50, by the names and shapes of the file A1111 brings.

Who has restored faces elsewhere has `detection_Resnet50_Final.pth` beside the restorers, and needs no other detector.
Knows tensors and pixels; knows no pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from easel.models.files.weights import build
from easel.post.found import Rows

BLOCKS = (3, 4, 6, 3)  # of the four stages of a ResNet-50
WIDENED = 4  # a stage gives so many times the channels that it works in
WIDTH = 64
OUT = 256  # channels of everything behind it
STEPS = (8, 16, 32)  # pixels of a cell at each of the three sizes that are looked at
SIDES = ((16, 32), (64, 128), (256, 512))  # pixels of the faces that a cell expects
MEAN = (104.0, 117.0, 123.0)  # blue, green, red
MOVED, STRETCHED = 0.1, 0.2  # what the network's numbers are multiplied by
LEAST = 0.9  # score below which something is no face
HEADS = {"ClassHead": 2, "BboxHead": 4, "LandmarkHead": 10}  # numbers for each expected face
UNREAD = ".num_batches_tracked"  # counted while training


class Norm(nn.Module):
    """A batch norm that has seen all it will."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        """Build it for so many channels."""
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(channels)), nn.Parameter(torch.empty(channels))
        self.register_buffer("running_mean", torch.empty(channels))
        self.register_buffer("running_var", torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return the shape that was given."""
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)


class Bottleneck(nn.Module):
    """Three convolutions beside a way past them (He et al. 2015, with the stride in the middle one)."""

    def __init__(self, given: int, inner: int, stride: int) -> None:
        """Build it for `given` channels, to give four times `inner`."""
        super().__init__()
        made = WIDENED * inner
        self.conv1, self.bn1 = nn.Conv2d(given, inner, 1, bias=False), Norm(inner)
        self.conv2, self.bn2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False), Norm(inner)
        self.conv3, self.bn3 = nn.Conv2d(inner, made, 1, bias=False), Norm(made)
        passing = (nn.Conv2d(given, made, 1, stride, bias=False), Norm(made)) if stride > 1 or given != made else ()
        self.downsample = nn.Sequential(*passing)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, 4 inner, height / stride, width / stride)."""
        inner = F.relu(self.bn1(self.conv1(x)))
        inner = F.relu(self.bn2(self.conv2(inner)))
        return F.relu(self.bn3(self.conv3(inner)) + self.downsample(x))


class Body(nn.Module):
    """A ResNet-50 without its end."""

    def __init__(self) -> None:
        """Build it."""
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, WIDTH, 7, 2, 3, bias=False), Norm(WIDTH)
        given = WIDTH
        for stage, count in enumerate(BLOCKS):
            inner = WIDTH << stage
            layers: list[nn.Module] = []
            for number in range(count):
                layers.append(Bottleneck(given, inner, 2 if stage and not number else 1))
                given = WIDENED * inner
            self.add_module(f"layer{stage + 1}", nn.Sequential(*layers))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return what the last three stages give, at an eighth, a sixteenth and a 32nd of the sides."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        found: list[Tensor] = []
        for stage in range(len(BLOCKS)):
            x = self.get_submodule(f"layer{stage + 1}")(x)
            found.append(x)
        return found[1:]


def convolved(given: int, made: int, side: int) -> nn.Sequential:
    """Return a convolution and its norm."""
    return nn.Sequential(nn.Conv2d(given, made, side, padding=side // 2, bias=False), Norm(made))


class Pyramid(nn.Module):
    """What is seen coarsely told to what is seen finely."""

    def __init__(self) -> None:
        """Build it."""
        super().__init__()
        for place in range(3):
            self.add_module(f"output{place + 1}", convolved(WIDENED * WIDTH << (place + 1), OUT, 1))
        self.merge1, self.merge2 = convolved(OUT, OUT, 3), convolved(OUT, OUT, 3)

    def forward(self, seen: list[Tensor]) -> list[Tensor]:
        """Return three of 256 channels, the finest first."""
        fine, middle, coarse = (F.relu(self.get_submodule(f"output{place + 1}")(x)) for place, x in enumerate(seen))
        middle = F.relu(self.merge2(middle + F.interpolate(coarse, size=middle.shape[2:], mode="nearest")))
        fine = F.relu(self.merge1(fine + F.interpolate(middle, size=fine.shape[2:], mode="nearest")))
        return [fine, middle, coarse]


class Surroundings(nn.Module):
    """One size looked at with three reaches (SSH, Najibi et al. 2017)."""

    def __init__(self) -> None:
        """Build it."""
        super().__init__()
        self.conv3X3 = convolved(OUT, OUT // 2, 3)
        self.conv5X5_1, self.conv5X5_2 = convolved(OUT, OUT // 4, 3), convolved(OUT // 4, OUT // 4, 3)
        self.conv7X7_2, self.conv7x7_3 = convolved(OUT // 4, OUT // 4, 3), convolved(OUT // 4, OUT // 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return the shape that was given."""
        near = F.relu(self.conv5X5_1(x))
        far = F.relu(self.conv7X7_2(near))
        return F.relu(torch.cat((self.conv3X3(x), self.conv5X5_2(near), self.conv7x7_3(far)), 1))


class RetinaFace(nn.Module):
    """Pixels to what is thought of every place."""

    def __init__(self) -> None:
        """Build it."""
        super().__init__()
        self.body, self.fpn = Body(), Pyramid()
        for place in range(3):
            self.add_module(f"ssh{place + 1}", Surroundings())
        for name, numbers in HEADS.items():
            heads = [nn.ModuleDict({"conv1x1": nn.Conv2d(OUT, len(SIDES[0]) * numbers, 1)}) for _ in STEPS]
            self.add_module(name, nn.ModuleList(heads))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return for each head (n, expected faces, its numbers): sureness, boxes, landmarks."""
        seen = [self.get_submodule(f"ssh{place + 1}")(one) for place, one in enumerate(self.fpn(self.body(x)))]
        return [
            torch.cat(
                [
                    self.get_submodule(f"{name}.{place}.conv1x1")(one).permute(0, 2, 3, 1).reshape(len(x), -1, numbers)
                    for place, one in enumerate(seen)
                ],
                1,
            )
            for name, numbers in HEADS.items()
        ]


def fits(tensors: Mapping[str, Any]) -> bool:
    """Return whether tensors of such names are a RetinaFace's."""
    return any(name.endswith("LandmarkHead.0.conv1x1.weight") for name in tensors)


def load(tensors: Mapping[str, Any], where: Path) -> RetinaFace:
    """Return the network of such tensors, on the processor. Raises Incomplete or Mismatch naming the file."""
    plain = {name.removeprefix("module."): one for name, one in tensors.items() if not name.endswith(UNREAD)}
    made = build(RetinaFace, plain, where, dtype=torch.float32, device="cpu")
    assert isinstance(made, RetinaFace)
    return made


@torch.inference_mode()
def told(network: RetinaFace, pixels: NDArray[numpy.uint8]) -> Rows:
    """Return everything that the network says of pixels (height, width, 3) RGB, rows as found.py's `Rows`."""
    x = torch.as_tensor(pixels[:, :, ::-1].astype(numpy.float32) - numpy.array(MEAN, numpy.float32))
    sure, boxes, points = network(x.permute(2, 0, 1)[None])
    given = [sure[0].softmax(-1)[:, 1], boxes[0], points[0]]
    scores, edges, places = (one.double().numpy() for one in given)
    return read(scores, edges, places, (pixels.shape[1], pixels.shape[0]))


def read(scores: Rows, boxes: Rows, points: Rows, size: tuple[int, int]) -> Rows:
    """Return what numbers mean, those of each expected face, in an input of `size` (width, height)."""
    middles, sides = expected(size)
    centres = middles + boxes[:, :2] * MOVED * sides
    spans = sides * numpy.exp(boxes[:, 2:] * STRETCHED)
    places = numpy.tile(middles, 5) + points * MOVED * sides
    return numpy.concatenate((centres - spans / 2, centres + spans / 2, scores[:, None], places), 1)


def expected(size: tuple[int, int]) -> tuple[Rows, Rows]:
    """Return the middles (n, 2) and sides (n, 1), in pixels, of the faces that cells expect in such an input."""
    middles: list[Rows] = []
    sides: list[Rows] = []
    for step, wanted in zip(STEPS, SIDES, strict=True):
        across, down = -(-size[0] // step), -(-size[1] // step)
        x, y = numpy.meshgrid(numpy.arange(across), numpy.arange(down))
        corners = numpy.stack((x.reshape(-1), y.reshape(-1)), 1).astype(numpy.float64)
        middles.append(numpy.repeat((corners + 0.5) * step, len(wanted), 0))
        sides.append(numpy.tile(numpy.array(wanted, numpy.float64), len(corners))[:, None])
    return numpy.concatenate(middles), numpy.concatenate(sides)
