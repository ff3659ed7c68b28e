"""Where forwards run and in which numbers.

Knows torch's devices; knows no model.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from easel.core.errors import ResourceError
from easel.core.settings import Settings
from easel.models.memory import keep_freed_memory


@dataclass(frozen=True, slots=True)
class Machine:
    """The device of forwards, the number format of denoisers, and that of autoencoders and text encoders."""

    device: str
    dtype: torch.dtype
    exact: torch.dtype

    def using(self, *parts: nn.Module) -> AbstractContextManager[None]:
        """Return a context in which these parts of a model are ready on the device."""
        return nullcontext()

    @property
    def words(self) -> str:
        """What decides about a picture's last bits, such as "cpu AVX512 2 threads bfloat16 torch 2.13.0".

        Threads share the sums of a processor among them, and other shares round otherwise.
        """
        name = self.device
        if name == "cuda":
            name = torch.cuda.get_device_name()
        elif name == "cpu":
            threads = torch.get_num_threads()
            name = f"cpu {torch.backends.cpu.get_cpu_capability()} {threads} thread{'s' if threads > 1 else ''}"
        return f"{name} {str(self.dtype).removeprefix('torch.')} torch {torch.__version__}"


def machine_for(settings: Settings) -> Machine:
    """Return the device and formats that the settings ask for and the machine has.

    Autoencoders and text encoders stay in float32 on a processor: plain backgrounds band in bfloat16.
    Raises ResourceError when the asked device is not there.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    device = device_for(settings.device)
    if device == "cpu":
        keep_freed_memory()
    dtype = dtype_for(settings.precision, device)
    return Machine(device, dtype, torch.float32 if device == "cpu" else dtype)


def device_for(wanted: str) -> str:
    """Return "cuda", "mps" or "cpu"."""
    has = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(device for device, there in has.items() if there)
    if not has[wanted]:
        raise ResourceError(f"device {wanted!r} is not available here; `easel doctor` says why. Use device 'auto'.")
    return wanted


def dtype_for(wanted: str, device: str) -> torch.dtype:
    """Return the number format: bfloat16 where the device computes in it natively, else what is fast and safe."""
    if wanted != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[wanted]
    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device == "mps":
        return torch.float16
    return torch.bfloat16 if torch.backends.cpu.get_cpu_capability() == "AVX512" and has_bf16() else torch.float32


def has_bf16() -> bool:
    """Return whether the processor multiplies bfloat16 natively."""
    return torch.cpu._is_avx512_bf16_supported()
