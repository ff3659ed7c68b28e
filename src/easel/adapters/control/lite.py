"""ControlNet-LLLite: a few small layers beside a U-Net's attentions change what these read. kohya-ss 2023.

The hint is embedded once for each of them; at a step each reads its layer's input beside that and adds to it. Knows
U-Nets by latent-diffusion's names, as the files have them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from easel.adapters.control.fitting import denoiser_of, misfit
from easel.adapters.control.prepared import Hint, Prepared, factors_of, led_of, weighed
from easel.core.errors import Incomplete
from easel.core.work import Act, Finish, Rows, Work
from easel.models.accelerate import Machine
from easel.models.files.opening import listing_of
from easel.models.files.weights import build, read_tensors
from easel.models.layouts.names_unet import ldm_unet_names
from easel.models.layouts.naming import published
from easel.models.layouts.shapes import Shapes, shape

PREFIX = "lllite_unet_"
FOLD = 64  # pixels of which a hint is filled up to whole multiples


class LiteLayer(nn.Module):
    """What stands beside one layer. convolutions: (out, in, side) of those that read the hint, by their places."""

    def __init__(self, convolutions: Mapping[int, tuple[int, int, int]], inner: int, read: int) -> None:
        super().__init__()
        reading: list[nn.Module] = []
        for out, into, side in convolutions.values():
            reading += [nn.Conv2d(into, out, side, stride=side), nn.ReLU()]
        self.conditioning1 = nn.Sequential(*reading[:-1])
        wide = list(convolutions.values())[-1][0]
        self.down = nn.Sequential(nn.Linear(read, inner), nn.ReLU())
        self.mid = nn.Sequential(nn.Linear(inner + wide, inner), nn.ReLU())
        self.up = nn.Sequential(nn.Linear(inner, read))
        self.stride = 1
        for _, _, side in convolutions.values():
            self.stride *= side

    def forward(self, x: Tensor, hints: Tensor) -> Tensor:
        """Return what is added to what a layer reads, (rows, tokens, width); hints: (rows, tokens, embedded)."""
        return self.up(self.mid(torch.cat([hints, self.down(x)], 2)))


@dataclass(frozen=True, slots=True, eq=False)
class LiteControl:
    """A ControlNet-LLLite. layers: by the file's names, without their beginning."""

    name: str
    hash: str
    machine: Machine
    layers: nn.ModuleDict
    _found: WeakKeyDictionary[nn.Module, dict[str, nn.Module]] = field(
        default_factory=WeakKeyDictionary[nn.Module, "dict[str, nn.Module]"]
    )

    @property
    def union(self) -> bool:
        """Whether it is told for what it takes a hint."""
        return False

    def fitted(self, model: Any) -> LiteControl:
        """Return this control model for a model. Raises Mismatch where it does not fit."""
        self.places(model)
        return self

    def places(self, model: Any) -> dict[str, nn.Module]:
        """Return the layers of a model's U-Net that this acts on, by the file's names. Raises Mismatch."""
        unet = denoiser_of(self.name, model, "unet")
        if unet in self._found:
            return self._found[unet]
        weights = {f"{name}.weight": one for name, one in unet.named_modules() if isinstance(one, nn.Linear)}
        told = published(ldm_unet_names(unet.config), weights)
        there = {old.removesuffix(".weight").replace(".", "_"): weights[place.names[0]] for old, place in told.items()}
        for name, layer in self.layers.items():
            own: Any = layer
            if name not in there:
                raise misfit(self.name, model, f"it has a layer for {name}, and the U-Net has none there")
            mine, theirs = own.up[0].out_features, there[name].in_features
            if mine != theirs:
                raise misfit(self.name, model, f"its layer for {name} is {mine} wide, and the U-Net's {theirs}")
        self._found[unet] = {name: there[name] for name in self.layers}
        return self._found[unet]

    def prepare(self, model: Any, hint: Hint) -> Generator[Work, Any, Prepared]:
        """Ask for the hint's embedding for each layer. Raises BadValue."""
        factors = factors_of(hint, len(self.layers))
        embedded = yield Finish(partial(self.embedded, hint.pixels))
        return Prepared(tuple(embedded), factors, hint.region)

    def embedded(self, pixels: Tensor) -> list[Tensor]:
        """Return for each layer the embedding of pixels, (tokens, embedded), on the device."""
        height, width = pixels.shape[-2:]
        whole = F.pad(pixels * 2 - 1, (0, -width % FOLD, 0, -height % FOLD), mode="replicate")
        found: list[Tensor] = []
        with self.machine.using(self.layers):
            x = whole.to(self.machine.device, self.machine.dtype)
            for layer in self.layers.values():
                own: Any = layer
                cells = own.conditioning1(x)[0, :, : -(-height // own.stride), : -(-width // own.stride)]
                found.append(cells.flatten(1).T.contiguous())
        return found

    @contextmanager
    def acting(self, model: Any, rows: Rows, acts: Sequence[Act | None]) -> Iterator[Mapping[str, Tensor]]:
        """Let the layers of rows that are led read more than they do. Tells the U-Net nothing."""
        led, own = led_of(acts)
        height, width = (side * model.latent.downscale for side in rows.x.shape[-2:])
        with ExitStack() as stack:
            stack.enter_context(self.machine.using(self.layers))
            for place, (name, layer) in enumerate(self.places(model).items()):
                beside: Any = self.layers[name]
                grid = (-(-height // beside.stride), -(-width // beside.stride))
                hook = reading(beside, place, led, own, grid)
                stack.callback(layer.register_forward_pre_hook(hook).remove)
            yield {}


def reading(
    beside: LiteLayer, place: int, led: Sequence[int], acts: Sequence[Act], grid: tuple[int, int]
) -> Callable[[nn.Module, tuple[Any, ...]], tuple[Any, ...]]:
    """Return the hook by which rows `led` of a layer read what stands beside it too. grid: rows and columns there."""
    hints = torch.stack([act.prepared.embedded[place] for act in acts])

    def read(layer: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        x: Tensor = given[0].clone()
        which = torch.tensor(list(led), device=x.device)
        x[which] += weighed(beside(x[which], hints.to(x.dtype)), acts, place, grid)
        return (x, *given[1:])

    return read


def read_lite(name: str, digits: str, machine: Machine, path: Path) -> LiteControl:
    """Return the control model of a file. Raises ModelError naming it."""
    shapes = {key.removeprefix(PREFIX): one.shape for key, one in listing_of(path).tensors.items()}
    stems = list(dict.fromkeys(key.split(".")[0] for key in shapes))
    try:
        told = {stem: sizes_of(shapes, stem) for stem in stems}
    except Incomplete as error:
        raise Incomplete(f"{path}: {error}.") from None
    tensors = {key.removeprefix(PREFIX): one for key, one in read_tensors((path,)).items()}
    layers: Any = build(
        lambda: nn.ModuleDict({stem: LiteLayer(*sizes) for stem, sizes in told.items()}),
        tensors,
        path,
        dtype=machine.dtype,
        device=machine.home,
        names={key: f"{PREFIX}{key}" for key in tensors},
        keep=machine.weights,
    )
    return LiteControl(name, digits, machine, layers)


def sizes_of(shapes: Shapes, stem: str) -> tuple[dict[int, tuple[int, int, int]], int, int]:
    """Return what a layer is made of: its convolutions by their places, its inner width, and that of what it reads."""
    places = sorted({int(key.split(".")[2]) for key in shapes if key.startswith(f"{stem}.conditioning1.")})
    convolutions = {place: shape(shapes, f"{stem}.conditioning1.{place}.weight", 4)[:3] for place in places}
    inner, read = shape(shapes, f"{stem}.down.0.weight", 2)
    return {place: (sizes[0], sizes[1], sizes[2]) for place, sizes in convolutions.items()}, inner, read
