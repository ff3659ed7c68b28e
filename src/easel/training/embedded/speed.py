"""How fast a stage runs and what share that is of what the machine could do at most.

Knows neither what is computed nor why.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

# Published peaks in bfloat16 without sparsity, in 1e12 products and sums a second, by a part of the device's name.
PEAKS = {"H200": 989.0, "H100": 989.0, "A100": 312.0, "4090": 165.0, "3090": 71.0, "L40": 181.0}


def flops_of(forward: Callable[[], object], backward: float = 2.0) -> float:
    """Floating-point operations of a training step: of one forward, and `backward` times as many for the way back."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        forward()
    return counter.get_total_flops() * (1 + backward)


def peak_of(device: torch.device) -> float | None:
    """The device's peak in operations a second, None where it is not known."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak * 1e12 for part, peak in PEAKS.items() if part in name), None)


class Pace:
    """Counts steps and tells how many pictures a second they make. flops: of one step."""

    def __init__(self, device: torch.device, pictures: int, flops: float) -> None:
        self._peak = peak_of(device)
        self._pictures, self._flops = pictures, flops
        self._steps, self._began = 0, time.monotonic()

    def step(self) -> None:
        """Count a step; the first, which compiles, does not count."""
        if self._steps == 0:
            self._began = time.monotonic()
        self._steps += 1

    @property
    def words(self) -> str:
        """Such as "812 pictures/s, 201 TFLOP/s, 20 % of the peak"."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        rate = (self._steps - 1) / seconds
        told = f"{rate * self._pictures:.1f} pictures/s, {rate * self._flops / 1e12:.3g} TFLOP/s"
        return told if self._peak is None else f"{told}, {100 * rate * self._flops / self._peak:.0f} % of the peak"
