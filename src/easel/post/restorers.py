"""Networks that restore faces, from files: CodeFormer by itself, GFPGAN and RestoreFormer through spandrel.

Knows upright faces alone; who finds them and lays them back is faces.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor, nn

from easel.core.errors import Mismatch
from easel.media.tensors import to_images, to_pixels
from easel.models.accelerate import Machine
from easel.post import codeformer
from easel.post.alignment import SIDE
from easel.post.architectures import described, tensors_of
from easel.post.upscale import dtype_on


@dataclass(frozen=True, slots=True, eq=False)
class Restorer:
    """A loaded restorer. words: its build. side: pixels of the faces that it reads.

    call: faces (1, 3, side, side) in -1..1, and the fidelity 0..1, to as many of that size.
    """

    words: str
    side: int
    module: nn.Module
    call: Callable[[Tensor, float], Tensor]
    machine: Machine

    @torch.inference_mode()
    def restored(self, face: Image, fidelity: float) -> Image:
        """Return an upright face of side x side pixels restored; the same face always gives the same.

        Raises ModelError where what comes are no numbers.
        """
        like = next(self.module.parameters())
        with self.machine.using(self.module):
            given = to_pixels([face]).to(self.machine.device, like.dtype)
            made = self.call(given * 2 - 1, fidelity)
            return to_images(made.float() / 2 + 0.5)[0]


def load_restorer(path: Path, machine: Machine) -> Restorer:
    """Return the restorer of faces in a file, .safetensors or .pth, waiting where the machine's weights do.

    Raises ModelError naming the file, ResourceError where another one than CodeFormer needs spandrel.
    """
    tensors = tensors_of(path)
    if codeformer.fits(tensors):
        network = codeformer.load(tensors, path, torch.float32, machine.home)
        return Restorer("CodeFormer", network.made.side, network, network, machine)
    found = described(tensors, path, "restoring faces")
    if found.purpose != "FaceSR" or found.input_channels != 3:
        raise Mismatch(f"{path}: a {found.architecture.name}, which restores no faces.")
    found.to(torch.device(machine.home), dtype_on(machine, half=found.supports_half))
    module: nn.Module = found.model.requires_grad_(False).eval()
    call = CALLS.get(found.architecture.id)
    if call is None:
        raise Mismatch(f"{path}: a {found.architecture.name}, which is not known as a restorer of faces.")
    return Restorer(found.architecture.name, SIDE, module, call(module), machine)


def by_gfpgan(module: Any) -> Callable[[Tensor, float], Tensor]:
    """Return how GFPGAN is called: with the noise of its file, so that the same face gives the same."""
    return lambda x, _: module(x, return_rgb=False, randomize_noise=False)[0]


def by_restoreformer(module: Any) -> Callable[[Tensor, float], Tensor]:
    """Return how RestoreFormer is called."""
    return lambda x, _: module(x)[0]


CALLS = {"GFPGAN": by_gfpgan, "RestoreFormer": by_restoreformer}
