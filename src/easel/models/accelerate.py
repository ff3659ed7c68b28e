"""Where forwards run, in which numbers, and within which memory.

Knows torch's devices; knows no model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

import torch
from torch import Tensor, nn

from easel.core.amounts import amount
from easel.core.errors import BadValue, ResourceError, Unsupported
from easel.core.settings import EIGHT_BITS, Settings, Weights
from easel.core.work import Networks
from easel.models.gpu.choosing import forwards_on, lane_on
from easel.models.gpu.forwards import Forwards, plainly
from easel.models.gpu.inputs import Inputs
from easel.models.gpu.lanes import Lane
from easel.models.memory.devices import CudaDevice, Device
from easel.models.memory.malloc import keep_freed_memory
from easel.models.memory.ram import machine_memory
from easel.models.memory.residency import Residency, weights_budget
from easel.models.vendor import is_answered

SPARE = 2**29  # bytes of a card that are left to the screen and to other programs
RAM_SHARE = 4  # loaded models may take all but this part of the machine's memory


class Wardrobe(Protocol):
    """Who puts networks on the parts of models; engine/wardrobe.py is one."""

    def wearing(
        self,
        parts: Mapping[str, nn.Module],
        name: str,
        rows: Sequence[Networks],
        left: Sequence[int] = (),
        *,
        may_merge: bool = True,
    ) -> AbstractContextManager[None]: ...


class Embedding(Protocol):
    """Vectors that stand in a text in place of a name; adapters/embedding.py reads them.

    vectors: (count, width) float32, by the width of the text encoder that reads them.
    """

    @property
    def name(self) -> str: ...
    @property
    def hash(self) -> str: ...
    @property
    def vectors(self) -> Mapping[int, Tensor]: ...


def no_embeddings(text: str) -> Sequence[Embedding]:
    """Return the embeddings that a text names where there are none."""
    return ()


@dataclass(frozen=True, slots=True)
class Machine:
    """The device of forwards, the number format of denoisers, and that of autoencoders and text encoders.

    residency: who is on the device, where that has memory of its own. wardrobe: who puts networks on parts; without one
    none can be worn. embeddings: those that a text names. weights: how those of denoisers are kept.
    fused: whether a processor may join the passes of layers, see models/cpu/.
    forwards: who runs forwards faster than as they are, lane: the device's second queue; see models/gpu/.
    """

    device: str
    dtype: torch.dtype
    exact: torch.dtype
    residency: Residency | None = field(default=None, compare=False, repr=False)
    wardrobe: Wardrobe | None = field(default=None, compare=False, repr=False)
    embeddings: Callable[[str], Sequence[Embedding]] = field(default=no_embeddings, compare=False, repr=False)
    weights: Weights = "packed"
    fused: bool = True
    forwards: Forwards | None = field(default=None, compare=False, repr=False)
    lane: Lane | None = field(default=None, compare=False, repr=False)

    @property
    def exact_weights(self) -> Weights:
        """How weights are kept of autoencoders and CLIPs, which are never rounded to eight bits.

        They work once a picture. On a processor their halves stay in the file's mapping: to cast them at each forward
        costs it a hundredth, to cast them all while loading a third of that.
        """
        if self.weights not in ("packed", *EIGHT_BITS):
            return self.weights
        return "stored" if self.device == "cpu" else "packed"

    @property
    def home(self) -> str:
        """Where weights are loaded to, and wait while they are not used."""
        return self.device if self.residency is None else "cpu"

    @property
    def fuses(self) -> bool:
        """Whether denoisers get the layers of models/cpu/."""
        return self.fused and self.device == "cpu"

    def using(self, *parts: nn.Module) -> AbstractContextManager[None]:
        """Return a context in which these parts of a model are ready on the device. Raises OutOfMemory.

        Parts that work together are given together: each is told how much room the others leave.
        """
        return nullcontext() if self.residency is None else self.residency.using(*parts)

    def wearing(
        self, parts: Mapping[str, nn.Module], name: str, rows: Sequence[Networks], left: Sequence[int] = ()
    ) -> AbstractContextManager[None]:
        """Return a context in which row i of every forward of the part `name` wears `rows[i]`; see engine/wardrobe.py.

        Weights that come and go on a device stay as they are, so that there networks are worn by rows.
        """
        if self.wardrobe is None:
            if any(rows):
                raise Unsupported("networks cannot be worn here: this machine has no wardrobe.")
            return nullcontext()
        return self.wardrobe.wearing(parts, name, rows, left, may_merge=self.residency is None)

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths that forwards of denoisers are filled up to, rising; none where they are as wide as their rows."""
        return () if self.forwards is None else self.forwards.widths

    def denoised(
        self, part: nn.Module, rows: Mapping[str, Tensor], shared: Mapping[str, Tensor] = MappingProxyType({})
    ) -> Tensor:
        """Return what a denoiser makes of rows by its own names, (n, ...) float32 in the machine's memory.

        rows: tensors (n, ...) in the numbers that it reads; shared: those without rows. models/gpu/inputs.py says how a
        name tells of a mapping within.
        """
        if self.forwards is None:
            return plainly(part, rows, shared, self.device)
        return self.forwards.denoised(part, Inputs(rows, shared))

    def decoded(self, part: nn.Module, latents: Tensor) -> Tensor:
        """Return what a decoder makes of latents on the device, (n, 3, height, width) there."""
        inputs = Inputs({"z": latents})
        return inputs.given_to(part, "decode") if self.forwards is None else self.forwards.decoded(part, inputs)

    def fetched(self, tensor: Tensor) -> Tensor:
        """Return numbers of the device as float32 in the machine's memory; from a lane, there when it has landed."""
        return tensor.to("cpu", torch.float32) if self.lane is None else self.lane.fetched(tensor)

    def room(self, *parts: nn.Module) -> int | None:
        """Return the bytes on the device for what these parts compute; None where it has no own memory."""
        return None if self.residency is None else self.residency.room(*parts)

    def give_room(self) -> bool:
        """Leave more of the device to what forwards compute; return whether there was more to give."""
        if self.forwards is not None and self.forwards.forget():
            return True
        return self.residency is not None and self.residency.give_room()

    def restore(self) -> None:
        """Give weights the room again that they had given."""
        if self.residency is not None:
            self.residency.restore()

    @property
    def words(self) -> str:
        """What decides about a picture's last bits, such as "cpu AVX512 MKL 2 threads bfloat16 torch 2.13.0".

        Threads share the sums of a processor among them, and other shares round otherwise.
        """
        name = self.device
        if name == "cuda":
            name = torch.cuda.get_device_name()
        elif name == "cpu":
            threads = torch.get_num_threads()
            name = f"cpu {capability()} {threads} thread{'s' if threads > 1 else ''}{'' if self.fused else ' unfused'}"
        kept = "" if self.weights == "packed" else f" weights {self.weights}"
        way = "" if self.forwards is None else self.forwards.words
        return f"{name} {str(self.dtype).removeprefix('torch.')}{kept}{way} torch {torch.__version__}"


def machine_for(settings: Settings) -> Machine:
    """Return the device and formats that the settings ask for and the machine has.

    Autoencoders and text encoders stay in float32 on a processor: plain backgrounds band in bfloat16. What of a decoder
    may be rounded there, models/cpu/decoding.py knows.
    Raises ResourceError when the asked device is not there, BadValue for float8 where the device has none.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    device = device_for(settings.device)
    if device == "cpu":
        keep_freed_memory()
    dtype = dtype_for(settings.precision, device)
    exact = torch.float32 if device == "cpu" else dtype
    if device == "mps" and settings.weights in EIGHT_BITS:
        raise BadValue("setting weights", settings.weights, "packed, stored or cast here; Apple's GPUs have no float8")
    residency = residency_on(device, settings.vram)
    memory = 0 if residency is None else residency.total
    return Machine(
        device,
        dtype,
        exact,
        residency,
        weights=settings.weights,
        fused=settings.fused,
        forwards=forwards_on(device, settings.compile, memory if settings.graphs else 0),
        lane=lane_on(device, overlap=settings.overlap),
    )


def residency_on(device: str, vram: str) -> Residency | None:
    """Return who is on a device; None where its memory is the machine's own. Raises BadValue for a bound there."""
    if device == "cuda":
        return residency_for(CudaDevice(), vram)
    if amount(vram) != amount("auto"):
        remedy = f"device {device!r} computes in the machine's memory; ram bounds what models take of it"
        raise BadValue("setting vram", vram, "auto here", remedy=remedy)
    return None


def residency_for(device: Device, vram: str) -> Residency:
    """Return who is on a device of which Easel may take `vram`; auto is what is free now but for a little."""
    total = amount(vram).of(device.capacity, max(device.free() - SPARE, device.free() // 2))
    return Residency(device, weights_budget(total), total)


def ram_budget(ram: str) -> int:
    """Return how many bytes loaded models may take of the machine's memory; see core/amounts.py for the text."""
    total, _ = machine_memory()
    return amount(ram).of(total, total - total // RAM_SHARE)


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


def capability() -> str:
    """Return the processor's instructions in torch's word, and whether MKL is answered (models/vendor.py)."""
    return torch.backends.cpu.get_cpu_capability() + (" MKL" if is_answered() else "")
