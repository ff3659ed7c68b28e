"""Processor, MKL, allocator, memory and disks: what a picture on this machine waits for, and what would help.

Each function looks at one thing and returns a Finding. Functions that read system files take the root they stand under.
"""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from easel.cli.album import nearest_existing
from easel.cli.findings import Finding
from easel.cli.gpu import read
from easel.core.amounts import bytes_in_words
from easel.models.vendor import is_answered

if TYPE_CHECKING:
    from types import ModuleType

    import torch as torch_module

    from easel.core.settings import Settings

GIB = 2**30
LITTLE_MEMORY = 2 * GIB  # a Stable Diffusion 1.5 in bfloat16 takes this and its activations
LITTLE_DISK = GIB
ROOM, NEARLY_FULL = 20 * GIB, 0.02  # less than both is little too: bytes, and the share of a disk
LIBRARIES = ("libtcmalloc_minimal.so*", "libtcmalloc.so*", "libjemalloc.so*")
LIBRARY_FOLDERS = ("usr/lib/*-linux-gnu", "usr/lib64", "usr/lib", "usr/local/lib")
PACKAGE_OF = {
    "debian": "sudo apt install libtcmalloc-minimal4",
    "ubuntu": "sudo apt install libtcmalloc-minimal4",
    "fedora": "sudo dnf install gperftools-libs",
    "rhel": "sudo dnf install gperftools-libs",
    "arch": "sudo pacman -S gperftools",
    "suse": "sudo zypper install libtcmalloc4",
}
FEATURES = (("amx_bf16", "AMX"), ("avx512_bf16", "AVX-512 with bfloat16"), ("avx512f", "AVX-512"), ("avx2", "AVX2"))


def processor(torch: ModuleType, root: Path = Path("/")) -> Finding:
    """Return the processor's name, cores, best instructions, and how fast it multiplies."""
    facts = cpuinfo(root)
    flags = facts.get("flags", "").split()
    best = next((words for flag, words in FEATURES if flag in flags), "")
    name = " ".join((facts.get("model name") or platform.processor() or platform.machine()).split())
    cores = f"{usable_cores()} cores" if usable_cores() > 1 else "1 core"
    speeds = f"float32 {speed(torch, torch.float32):.0f}, bfloat16 {speed(torch, torch.bfloat16):.0f} GFLOP/s"
    found = ", ".join(part for part in (name, cores, best, speeds) if part)
    if flags and not best:
        return Finding("processor", "hint", found, ("It has no AVX2; pictures take very long. Try another machine.",))
    return Finding("processor", "ok", found)


def speed(torch: ModuleType, dtype: torch_module.dtype, side: int = 1024) -> float:
    """Return GFLOP/s of a matrix product, the best of five after one to warm up."""
    a = torch.ones(side, side, dtype=dtype)
    times: list[float] = []
    for _ in range(6):
        began = perf_counter()
        torch.mm(a, a)
        times.append(perf_counter() - began)
    return 2 * side**3 / min(times[1:]) / 1e9


def mkl(torch: ModuleType, root: Path = Path("/")) -> Finding:
    """Return whether MKL takes its slow path, as it does on processors that are not Intel's unless it is answered."""
    if not torch.backends.mkl.is_available():
        return Finding("MKL", "ok", "not in this torch")
    vendor = cpuinfo(root).get("vendor_id", "")
    if vendor == "GenuineIntel":
        return Finding("MKL", "ok", "fast path (Intel processor)")
    if is_answered():
        return Finding(
            "MKL", "ok", "fast path (Easel answers its question for an Intel processor; EASEL_ANSWER_MKL=0 does not)"
        )
    return Finding(
        "MKL",
        "hint",
        f"slow path, for the processor is {vendor or 'not Intel'}; float32 and attention run at about half speed",
        ("Easel answers MKL's question on Linux x86-64 with AVX2, unless EASEL_ANSWER_MKL is 0 or torch came first.",),
    )


def layers(lacking: str, fused: bool) -> Finding:
    """Return whose layers a processor computes with. lacking: what Easel's own want and is not here, "" for nothing."""
    if not fused:
        return Finding("layers", "ok", "torch's own, for setting fused is off")
    if lacking:
        return Finding("layers", "ok", f"torch's attention and norms: Easel's are not used, for {lacking}")
    return Finding("layers", "ok", "Easel's own attention and norms (AVX-512 BF16; EASEL_FUSED=0 leaves them out)")


def allocator(root: Path = Path("/")) -> Finding:
    """Return which memory allocator this process runs on, and where a better one is."""
    if platform.system() != "Linux":
        return Finding("allocator", "ok", "the system's own")
    maps = read(root / "proc/self/maps")
    for name, words in (("tcmalloc", "TCMalloc"), ("jemalloc", "jemalloc"), ("mimalloc", "mimalloc")):
        if f"lib{name}" in maps:
            return Finding("allocator", "ok", words)
    there = find_allocator(root)
    if there is not None:
        name = there.name.partition(".")[0].removeprefix("lib")
        return Finding(
            "allocator",
            "hint",
            f"the C library's{mallopt()}; {name} is installed but not loaded",
            ("Load it for about a tenth more speed on a processor:", f'$ export LD_PRELOAD="{there}:$LD_PRELOAD"'),
        )
    command = next((line for system, line in PACKAGE_OF.items() if system in systems(root)), None)
    return Finding(
        "allocator",
        "hint",
        f"Cannot locate TCMalloc: the C library's allocator is used{mallopt()}, about a tenth slower on a processor",
        (
            f"$ {command}" if command else "Install TCMalloc (gperftools) with your system's package manager.",
            "`easel doctor` then says how to load it.",
        ),
    )


def mallopt() -> str:
    """Return in words whether Easel may tell the C library to keep freed memory."""
    from easel.models.memory.malloc import OWN_WORDS, glibc

    told = next((name for name in OWN_WORDS if name in os.environ), None)
    if glibc() is None:
        return ""
    return f" (mallopt left alone: {told} is set)" if told else " (mallopt has it keep freed memory)"


def find_allocator(root: Path) -> Path | None:
    """Return a TCMalloc or jemalloc among the system's libraries."""
    for name in LIBRARIES:
        for folder in LIBRARY_FOLDERS:
            for place in sorted(root.glob(folder)):
                found = sorted(place.glob(name), key=lambda path: len(path.name))
                if found:
                    return found[0]
    return None


def systems(root: Path) -> set[str]:
    """Return the names of this Linux distribution and of those it descends from."""
    names: set[str] = set()
    for line in read(root / "etc/os-release").splitlines():
        key, _, value = line.partition("=")
        if key in ("ID", "ID_LIKE"):
            names |= set(value.strip("\"'").replace("opensuse", "suse").split())
    return names


def memory(root: Path = Path("/")) -> Finding:
    """Return how much memory there is, within the container's limit where one is set."""
    from easel.models.memory.ram import machine_memory

    total, free = machine_memory(root)
    found = f"{bytes_in_words(free)} free of {bytes_in_words(total)}"
    if free < LITTLE_MEMORY:
        return Finding("memory", "hint", found, ("Enough for the starter; for larger models close other programs.",))
    return Finding("memory", "ok", found)


def budget(settings: Settings) -> Finding:
    """Return what models may take of the card's memory and of the machine's, as the settings say."""
    from easel.core.errors import BadValue, ResourceError
    from easel.models.accelerate import device_for, ram_budget, residency_on

    ram = f"{bytes_in_words(ram_budget(settings.ram))} for loaded models (ram = {settings.ram})"
    try:
        residency = residency_on(device_for(settings.device), settings.vram)
    except BadValue as error:
        return Finding("budget", "fix", error.message, ("Take back the setting vram (EASEL_VRAM).",))
    except ResourceError:  # the GPU's finding tells why
        return Finding("budget", "ok", ram)
    if residency is None:
        return Finding("budget", "ok", ram)
    card = f"{bytes_in_words(residency.total)} of the card (vram = {settings.vram})"
    return Finding("budget", "ok", f"{card}, of which {bytes_in_words(residency.budget)} for weights; {ram}")


def disk(name: str, folder: Path, advice: str) -> Finding:
    """Return how much room there is for `folder`, at the nearest folder that exists."""
    usage = shutil.disk_usage(nearest_existing(folder))
    return judge_disk(
        name, f"{folder}{'' if folder.exists() else ', made when needed'}", usage.free, usage.total, advice
    )


def judge_disk(name: str, where: str, free: int, total: int, advice: str) -> Finding:
    """Return the finding for so many bytes free of all that the disk has; a nearly full one is a hint."""
    found = f"{where}, {bytes_in_words(free)} free"
    if free < LITTLE_DISK or (free < ROOM and free < total * NEARLY_FULL):
        return Finding(name, "hint", f"{found} of {bytes_in_words(total)}: the disk is nearly full", (advice,))
    return Finding(name, "ok", found)


def missing_models(folder: Path, *, named: bool, setting: str = "models") -> Finding:
    """Return the finding for a folder of models that is not there; a hint where someone has named it."""
    ways = ("`easel models download NAME` brings a model there; the starter draws without one.",)
    if not named:
        return Finding("models folder", "ok", f"{folder}, made when needed", ways)
    said = f"`{setting}` in the settings file, or EASEL_{setting.upper()}"
    advice = (f"Mount or make it, or name the folder you have ({said}).", *(ways if setting == "models" else ()))
    return Finding("models folder", "hint", f"there is no folder {folder.absolute()}", advice)


def cpuinfo(root: Path) -> dict[str, str]:
    """Return what Linux says of the first processor; empty elsewhere."""
    first = read(root / "proc/cpuinfo").partition("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def usable_cores() -> int:
    """Return the number of processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
