"""Control models that are changes of a U-Net's weights: control-LoRAs, and differences as A1111's users keep them.

Stability's control-LoRAs have the factors of a low rank for most layers. Where weights stay in one place, the layers of
what is built here share the U-Net's own and add their factors' product at each forward; where they come and go on a
device, they have weights of their own. Made once for each U-Net.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from easel.adapters.control import unets
from easel.adapters.control.fitting import denoiser_of, misfit
from easel.adapters.networks.layers import has_weight, lasting, weight_of
from easel.core.errors import Incomplete, Mismatch, ModelError
from easel.models.accelerate import Machine
from easel.models.files.listing import one_line
from easel.models.files.opening import listing_of
from easel.models.files.packed import Packed
from easel.models.files.weights import read_tensors
from easel.models.layouts.controls import ControlLayout, shapes_behind
from easel.models.layouts.naming import placed

MARKS = ("lora_controlnet", "difference")
HALF = ("down_block_types", "block_out_channels", "layers_per_block", "cross_attention_dim", "attention_head_dim")
HALF += ("num_attention_heads", "use_linear_projection", "transformer_layers_per_block", "addition_embed_type")
HALF += ("addition_time_embed_dim", "projection_class_embeddings_input_dim", "norm_num_groups", "norm_eps")
HALF += ("flip_sin_to_cos", "freq_shift", "act_fn", "upcast_attention", "only_cross_attention", "downsample_padding")
HALF += ("mid_block_scale_factor", "resnet_time_scale_shift", "class_embed_type", "num_class_embeds")


class RankLinear(nn.Linear):
    """A linear layer with a product of low rank beside its weight."""

    up: Tensor
    down: Tensor

    def forward(self, input: Tensor) -> Tensor:
        """Return the product, (..., outputs)."""
        return super().forward(input) + F.linear(F.linear(input, self.down), self.up)


class RankConv2d(nn.Conv2d):
    """A convolution with a product of low rank beside its weight."""

    up: Tensor
    down: Tensor

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution of (n, in, height, width)."""
        inner = self._conv_forward(input, self.down, None)
        return super().forward(input) + F.conv2d(inner, self.up)


@dataclass(frozen=True, slots=True, eq=False)
class Borrowed:
    """A file of changes. tensors: by its own names, "x.up" and "x.down" for "x.weight".

    hint: the config of what reads the hint; differs: whether weights are differences from the U-Net's.
    """

    name: str
    hash: str
    machine: Machine
    path: Path
    layout: ControlLayout
    hint: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    differs: bool
    _made: WeakKeyDictionary[nn.Module, unets.UNetControl] = field(
        default_factory=WeakKeyDictionary[nn.Module, unets.UNetControl]
    )

    def fitted(self, model: Any) -> unets.UNetControl:
        """Return the control model that this makes of a model's U-Net. Raises Mismatch where it does not fit."""
        unet = denoiser_of(self.name, model, "unet")
        if unet not in self._made:
            with lasting(), self.machine.wearing(model.parts, "unet", ()):  # the U-Net's own weights, nothing merged
                self._made[unet] = self.built(model, unet)
        return self._made[unet]

    def built(self, model: Any, unet: Any) -> unets.UNetControl:
        """Return a ControlNet of a U-Net's weights and this file's changes."""
        from diffusers import ControlNetModel

        config = {key: value for key, value in unet.config.items() if key in HALF} | dict(self.hint)
        with torch.device("meta"):
            net: Any = ControlNetModel.from_config({**config, "in_channels": model.latent.channels})
        try:
            for key, value in self.weights(net, unet):
                put(net, key, value)
        except (Mismatch, Incomplete):
            raise
        except (RuntimeError, AttributeError, KeyError) as error:
            raise misfit(self.name, model, one_line(error)) from None
        bare = [key for key, value in net.state_dict().items() if value.is_meta]
        if bare:
            raise Incomplete(f"{self.path}: {len(bare)} tensors are missing, first {bare[0]!r}; fetch it again.")
        net.requires_grad_(False).eval()
        return unets.made(self.name, self.hash, self.machine, net)

    def weights(self, net: Any, unet: nn.Module) -> Iterator[tuple[str, Tensor]]:
        """Yield the tensors of the ControlNet by name. Raises Mismatch for shapes that do not fit the U-Net."""
        wanted, names = dict(net.state_dict()), self.layout.names(net.config)
        changes: dict[str, Tensor] = {}
        for key, tensor in self.tensors.items():
            place = placed(key, names)
            name = place.names[0] if place else key
            stem, _, half = name.rpartition(".")
            if name not in wanted and not (half in ("up", "down") and f"{stem}.weight" in wanted):
                raise Mismatch(f"{self.path}: {key!r} has no place in a ControlNet of this U-Net.")
            changes[name] = tensor
        for key, empty in wanted.items():
            stem = key.removesuffix(".weight")
            own = changes.get(key)
            if own is None or self.differs:
                base = weight_in(unet, key, empty.shape)
                if base is not None and own is not None:
                    base = base + own.to(base.device, base.dtype)
                own = own if base is None else base
            if own is None:
                continue
            if own.shape != empty.shape:
                raise Mismatch(f"{self.path}: {key!r} is {tuple(own.shape)}, needed is {tuple(empty.shape)}.")
            if f"{stem}.up" in changes:
                factors = changes[f"{stem}.up"], changes[f"{stem}.down"]
                yield from self.ranked(stem, own, net.get_submodule(stem), *factors)
            else:
                yield key, self.at_home(own)

    def ranked(
        self, stem: str, weight: Tensor, layer: nn.Module, up: Tensor, down: Tensor
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield a layer's weight with the factors beside it, or with their product in it."""
        up, down = self.at_home(up), self.at_home(down)
        if self.machine.residency is not None:
            change = (up.float().flatten(1) @ down.float().flatten(1)).view(weight.shape)
            yield f"{stem}.weight", self.at_home(weight.to("cpu").float() + change)
            return
        if isinstance(layer, nn.Conv2d):
            up, down = up.flatten(1)[:, :, None, None], down.view(len(down), *weight.shape[1:])
            cast(Any, layer).__class__ = RankConv2d
        else:
            up, down = up.flatten(1), down.flatten(1)
            cast(Any, layer).__class__ = RankLinear
        yield from ((f"{stem}.weight", self.at_home(weight)), (f"{stem}.up", up), (f"{stem}.down", down))

    def at_home(self, tensor: Tensor) -> Tensor:
        """Return a tensor where weights wait and as forwards read it; the very same where nothing has to change."""
        layout = torch.channels_last if tensor.ndim == 4 else torch.preserve_format
        return tensor.detach().to(self.machine.home, self.machine.dtype, memory_format=layout)


def weight_in(unet: nn.Module, key: str, shape: torch.Size) -> Tensor | None:
    """Return the tensor that a U-Net has under a name, None where it has none; the latent's part of its first layer."""
    owner, _, kind = key.rpartition(".")
    try:
        layer = unet.get_submodule(owner)
    except AttributeError:
        return None
    if kind == "weight" and has_weight(layer):
        found: Tensor | None = weight_of(layer)
    else:
        found = cast("Tensor | None", getattr(layer, kind, None))
    if found is not None and key == "conv_in.weight":
        return found[:, : shape[1]]  # an inpainting model's reads a mask too
    return found


def put(net: nn.Module, key: str, value: Tensor) -> None:
    """Give a module without memory one of its tensors, or one beside them."""
    owner, _, kind = key.rpartition(".")
    layer = net.get_submodule(owner) if owner else net
    layer.register_parameter(kind, nn.Parameter(value, requires_grad=False))


def read(name: str, digits: str, machine: Machine, path: Path, layout: ControlLayout) -> Borrowed:
    """Return the changes of a file, by its own names. Raises ModelError naming it."""
    listing = listing_of(path)
    prefix = layout.prefix
    shapes = shapes_behind(listing, prefix)
    try:
        hint = layout.config(shapes)
    except ModelError as error:
        raise Incomplete(f"{path}: {error}.") from None
    wanted = [prefix + key for key in shapes if key not in MARKS]
    tensors = {
        key[len(prefix) :]: one.unpacked(torch.float32) if isinstance(one, Packed) else one
        for key, one in read_tensors((path,), wanted).items()
    }
    return Borrowed(name, digits, machine, path, layout, hint, tensors, "difference" in listing.tensors)
