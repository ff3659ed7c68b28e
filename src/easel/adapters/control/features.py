"""T2I-Adapters of Stable Diffusion 1.x and XL: features of a hint, computed once, added on a U-Net's way down.

Mou et al. 2023, arXiv:2302.08453. At a step there is nothing left to compute.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from easel.adapters.control.fitting import denoiser_of, misfit, shown
from easel.adapters.control.prepared import FEATURES, Hint, Prepared, factors_of, led_of, spread
from easel.core.work import Act, Finish, Rows, Work
from easel.models.accelerate import Machine


@dataclass(frozen=True, slots=True, eq=False)
class FeatureControl:
    """A T2I-Adapter. net: diffusers'."""

    name: str
    hash: str
    machine: Machine
    net: Any

    @property
    def union(self) -> bool:
        """Whether it is told for what it takes a hint."""
        return False

    def fitted(self, model: Any) -> FeatureControl:
        """Return this control model for a model. Raises Mismatch where it does not fit."""
        unet = denoiser_of(self.name, model, "unet")
        mine, theirs = list(self.net.config.channels), list(unet.config.block_out_channels)
        given = mine[: len(theirs)]
        if self.net.config.adapter_type == "light_adapter":
            given = [*mine, mine[-1]]
        if given != theirs:
            raise misfit(
                self.name, model, f"its features are of widths {shown(mine)}, and the U-Net of {shown(theirs)}"
            )
        return self

    def prepare(self, model: Any, hint: Hint) -> Generator[Work, Any, Prepared]:
        """Ask for the hint's features. Raises BadValue."""
        config = self.net.config
        levels = len(config.channels) + (config.adapter_type == "light_adapter")
        factors = factors_of(hint, levels, FEATURES if levels == len(FEATURES) else ())
        features = yield Finish(partial(self.features, hint.pixels))
        return Prepared(tuple(one[0] for one in features), factors, hint.region)

    def features(self, pixels: Tensor) -> list[Tensor]:
        """Return features (1, channels, ...) of pixels, the finest first, on the device."""
        fold = int(self.net.config.downscale_factor)
        height, width = pixels.shape[-2:]
        if self.net.config.in_channels == 1:
            pixels = pixels.mean(1, keepdim=True)
        pixels = F.pad(pixels, (0, -width % fold, 0, -height % fold), mode="replicate")
        with self.machine.using(self.net):
            return self.net(pixels.to(self.machine.device, self.machine.dtype))

    @contextmanager
    def acting(self, model: Any, rows: Rows, acts: Sequence[Act | None]) -> Iterator[Mapping[str, Tensor]]:
        """Give what is added behind each block of the U-Net's way down, (n, ...) each."""
        led, own = led_of(acts)
        features = [torch.stack(each) for each in zip(*(act.prepared.embedded for act in own), strict=True)]
        samples = spread(features, own, led, len(rows))
        yield {f"down_intrablock_additional_residuals.{place}": sample for place, sample in enumerate(samples)}
