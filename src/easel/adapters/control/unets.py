"""ControlNets of Stable Diffusion 1.x, 2.x and XL, and their union: what they give is added on a U-Net's way.

Zhang et al. 2023, arXiv:2302.05543. The hint is embedded once; each forward is one of all rows that are led.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from easel.adapters.control.fitting import check_unet
from easel.adapters.control.kinds import SDXL, number_of
from easel.adapters.control.prepared import Hint, Prepared, factors_of, led_of, spread
from easel.core.errors import Unsupported
from easel.core.work import Act, Finish, Rows, Work
from easel.models.accelerate import Machine

HOLE = -1.0  # what published inpainting ControlNets of Stable Diffusion 1.x are shown where there is nothing


class RowWise(nn.Module):
    """A layer of a union's fusing in which rows do not see each other.

    As published, its attention goes over the rows of a batch; of one picture these are alike, and it is the same.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Return (rows, tokens, width) of the same."""
        return self.layer(x.reshape(1, -1, x.shape[-1])).reshape(x.shape)


@dataclass(frozen=True, slots=True, eq=False)
class UNetControl:
    """A ControlNet or a union of them. net: diffusers', without what embeds the hint; embedder: that."""

    name: str
    hash: str
    machine: Machine
    net: Any
    embedder: nn.Module
    flips: bool = False
    union: bool = False

    def fitted(self, model: Any) -> UNetControl:
        """Return this control model for a model. Raises Mismatch where it does not fit."""
        check_unet(self.name, self.net.config, model)
        return self

    def prepare(self, model: Any, hint: Hint) -> Generator[Work, Any, Prepared]:
        """Ask for the hint's embedding. Raises BadValue, Unsupported."""
        mode = 0
        if self.union:
            mode = number_of(hint.kind, SDXL, self.net.config.num_control_type, hint.place)
        factors = factors_of(hint, len(self.net.controlnet_down_blocks) + 1)
        embedded = yield Finish(partial(self.embedded, self.shown(hint)))
        return Prepared((embedded[0],), factors, hint.region, mode)

    def shown(self, hint: Hint) -> Tensor:
        """Return the pixels of a hint as this model reads them, nothing where it has a hole."""
        pixels = hint.pixels
        if hint.hole is not None:
            wide = self.net.config.cross_attention_dim
            pixels = torch.where(hint.hole > 0.5, 0.0 if self.union or wide == 2048 else HOLE, pixels)
        channels = int(self.net.config.conditioning_channels)
        if channels == 1:
            return pixels.mean(1, keepdim=True)
        if channels != 3:
            raise Unsupported(f"control model {self.name!r} reads hints of {channels} channels, which are not drawn.")
        return pixels.flip(1) if self.flips else pixels

    def embedded(self, pixels: Tensor) -> Tensor:
        """Return the embedding (1, channels, height / 8, width / 8) of pixels, on the device."""
        with self.machine.using(self.embedder):
            x = pixels.to(self.machine.device, self.machine.dtype)
            return self.embedder(x.contiguous(memory_format=torch.channels_last))

    @contextmanager
    def acting(self, model: Any, rows: Rows, acts: Sequence[Act | None]) -> Iterator[Mapping[str, Tensor]]:
        """Give what is added to the U-Net's way down and to its middle, (n, ...) each."""
        led, own = led_of(acts)
        hints = torch.stack([act.prepared.embedded[0] for act in own])
        with self.machine.using(self.net):
            down, middle = self.net(**self.read(model, rows, led), **self.asked(hints, own), return_dict=False)
        samples = spread([*down, middle], own, led, len(rows))
        told = {f"down_block_additional_residuals.{place}": sample for place, sample in enumerate(samples[:-1])}
        yield told | {"mid_block_additional_residual": samples[-1]}

    def asked(self, hints: Tensor, acts: Sequence[Act]) -> dict[str, Any]:
        """Return what tells the net of the hints, and for what a union is to take each."""
        if not self.union:
            return {"controlnet_cond": hints}
        modes = torch.tensor([act.prepared.mode for act in acts], device=hints.device)
        kinds = nn.functional.one_hot(modes, self.net.config.num_control_type)
        return {"controlnet_cond": [hints], "control_type": kinds.to(hints.dtype), "control_type_idx": [modes]}

    def read(self, model: Any, rows: Rows, led: Sequence[int]) -> dict[str, Any]:
        """Return what the net reads of the rows that are led, as the U-Net itself reads them."""
        device, dtype = self.machine.device, self.machine.dtype
        some = chosen(rows, led)
        x = model.prediction.input(some.x, some.sigma).to(device, dtype)
        found: dict[str, Any] = {
            "sample": x.contiguous(memory_format=torch.channels_last),
            "timestep": model.levels.timestep(some.sigma).to(device, torch.float32),
            "encoder_hidden_states": some.context.to(device, dtype),
        }
        if self.net.config.addition_embed_type == "text_time":
            from easel.models.sdxl import added_to, size_of

            sizes = size_of(some, model.latent.downscale)
            added = added_to(some, torch.cat([sizes, sizes[:, :2]], 1), self.machine)
            found["added_cond_kwargs"] = {name: value.to(device) for name, value in added.items()}
        return found


def chosen(rows: Rows, led: Sequence[int]) -> Rows:
    """Return some rows of a forward; what leads and shortens them is left out."""
    which = list(led)
    extra = {name: value[which] for name, value in rows.extra.items()}
    networks = tuple(rows.networks[row] for row in which) if rows.networks else ()
    left = tuple(rows.left[row] for row in which) if rows.left else ()
    return Rows(rows.x[which], rows.sigma[which], rows.context[which], extra, networks, left)


def made(name: str, digits: str, machine: Machine, net: Any, *, union: bool = False) -> UNetControl:
    """Return the control model of a net with its weights, what embeds the hint taken out of it."""
    flips = net.config.controlnet_conditioning_channel_order == "bgr"
    if flips:
        net.register_to_config(controlnet_conditioning_channel_order="rgb")
    embedder = net.controlnet_cond_embedding
    net.controlnet_cond_embedding = nn.Identity()
    if union:
        net.transformer_layes = nn.ModuleList(RowWise(layer) for layer in net.transformer_layes)
    if machine.fuses:
        from easel.models.cpu.layers import fit

        fit(net)
    return UNetControl(name, digits, machine, net, embedder, flips, union)
