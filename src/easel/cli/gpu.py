"""Whether torch can use a graphics card, and if not, why and what to do.

Two halves: `gpu_facts` asks the machine and torch; `judge_gpu` turns facts into advice without asking anything, so that
every kind of machine can be tested on any other.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

from easel.cli.findings import Finding

if TYPE_CHECKING:
    from types import ModuleType

COMPLAINT = "Torch is not able to use GPU"
LOCALLY = "https://pytorch.org/get-started/locally"
VENDORS = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}
DISPLAY_CLASSES = ("0x03", "0x12")  # display controllers and processing accelerators
OLDEST_DRIVER = {11: (450, 80), 12: (525, 60), 13: (580, 65)}  # NVIDIA's minor-version compatibility, on Linux

LIBRARY = re.compile(r"libcuda\.so\.\d{3}\.[\d.]+")
LIBRARY_FOLDERS = ("usr/lib/*-linux-gnu", "usr/lib64", "usr/lib")


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """What is known of cards, drivers and torch's build; None or empty where a thing is not there.

    usable: names of the cards torch computes on. error: what torch said when it was asked to. cards: vendors on the
    bus. device: the driver's device file. driver: NVIDIA's version that is loaded; libraries: the versions of it that
    are installed; uvm: whether its device for shared memory is there. hidden: the environment variable that hides the
    cards.
    """

    torch: str
    cuda: str | None = None
    rocm: str | None = None
    usable: tuple[str, ...] = ()
    error: str = ""
    system: str = "Linux"
    processor: str = "x86_64"
    cards: frozenset[str] = frozenset()
    device: str | None = None
    readable: bool = True
    driver: str | None = None
    libraries: frozenset[str] = frozenset()
    uvm: bool = True
    hidden: str | None = None
    container: bool = False
    wanted: str = "auto"


def gpu_facts(torch: ModuleType, wanted: str, root: Path = Path("/")) -> GpuFacts:
    """Ask the machine under `root` and the imported torch."""
    usable, error = usable_cards(torch)
    device = first_existing(root, "dev/nvidia0", "dev/nvidiactl", "dev/kfd", "dev/dxg")
    return GpuFacts(
        torch=torch.__version__,
        cuda=torch.version.cuda,
        rocm=torch.version.hip,
        usable=usable,
        error=error,
        system=platform.system(),
        processor=platform.machine(),
        cards=cards_on_bus(root) | ({"nvidia"} if which("nvidia-smi") else set()),
        device=str(device) if device else None,
        readable=device is None or os.access(device, os.R_OK | os.W_OK),
        driver=driver_version(root),
        libraries=library_versions(root),
        uvm=(root / "dev/nvidia-uvm").exists(),
        hidden=hiding_variable(),
        container=in_container(root),
        wanted=wanted,
    )


def usable_cards(torch: ModuleType) -> tuple[tuple[str, ...], str]:
    """Return the names of the cards torch computes on, and its complaint where it has one."""
    if torch.backends.mps.is_available():
        return ("Apple GPU (Metal)",), ""
    if not torch.cuda.is_available():
        try:
            torch.cuda.init()
        except (RuntimeError, AssertionError) as error:
            return (), first_line(error)
        return (), ""
    names: list[str] = []
    for index in range(torch.cuda.device_count()):
        try:
            torch.ones(8, device=f"cuda:{index}").sum().item()
        except RuntimeError as error:  # a card too old or too new for this build says so only when it computes
            return (), f"{torch.cuda.get_device_name(index)}: {first_line(error)}"
        facts = torch.cuda.get_device_properties(index)
        names.append(f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB")
    return tuple(names), ""


def judge_gpu(facts: GpuFacts) -> Finding:
    """Return the finding; a card that lies idle is a hint, unless the settings insist on it."""
    if facts.usable:
        if facts.wanted == "cpu":
            return Finding("GPU", "hint", f"{facts.usable[0]}, not used", ("The settings say device = cpu.",))
        build = f"CUDA {facts.cuda}" if facts.cuda else f"ROCm {facts.rocm}" if facts.rocm else ""
        driver = f"driver {facts.driver}" if facts.driver else ""
        return Finding("GPU", "ok", ", ".join(part for part in ("; ".join(facts.usable), build, driver) if part))
    reason, advice = why_not(facts)
    insisted = facts.wanted in ("cuda", "mps")
    if insisted:
        advice = (*advice, f'Or take back the setting device = "{facts.wanted}" (EASEL_DEVICE).')
    if not reason:
        seen = "none found"
        if facts.container:
            seen += " in this container (has the host one? then start it with --gpus all)"
        return Finding("GPU", "fix" if insisted else "ok", f"{seen}; the processor draws", advice)
    return Finding("GPU", "fix" if insisted else "hint", f"{COMPLAINT}: {reason}", advice)


def why_not(facts: GpuFacts) -> tuple[str, tuple[str, ...]]:
    """Return the reason why no card is used, and what to do; empty where there is no card."""
    if facts.system == "Darwin":
        return apple(facts)
    if "nvidia" in facts.cards or (facts.device and "nvidia" in facts.device) or facts.driver:
        return nvidia(facts)
    if "amd" in facts.cards or (facts.device or "").endswith("kfd"):
        return amd(facts)
    return "", ()


def nvidia(facts: GpuFacts) -> tuple[str, tuple[str, ...]]:
    """Reasons with an NVIDIA card in the machine, the likeliest first."""
    if facts.cuda is None:
        return f"an NVIDIA card is here, but torch {facts.torch} is built for processors only", (cuda_wheel(facts),)
    if facts.hidden is not None:
        return f"{facts.hidden} hides the card", (f"$ unset {facts.hidden.partition('=')[0]}",)
    if facts.system == "Linux" and facts.device is None and facts.container:
        return (
            "the container was started without the card",
            ("Start it with `docker run --gpus all ...` (the host needs nvidia-container-toolkit).",),
        )
    if facts.system == "Linux" and facts.device is None:
        return "the NVIDIA driver is not installed or not loaded", (
            "Debian: `apt install nvidia-driver` (non-free), Ubuntu: `ubuntu-drivers install`; then restart.",
            "After a kernel update restart once; `nvidia-smi` must show the card.",
        )
    if not facts.readable:
        return f"this user may not open {facts.device}", (
            "Add the user to the group that owns it (`ls -l` shows which, often video), then log in again.",
        )
    if facts.driver and facts.libraries and facts.driver not in facts.libraries:
        return (
            f"the NVIDIA driver loaded is {facts.driver}, its libraries are {', '.join(sorted(facts.libraries))}",
            ("Restart the machine, or the container: an update has replaced one of the two and not yet the other.",),
        )
    oldest = OLDEST_DRIVER.get(int(facts.cuda.partition(".")[0]))
    if facts.driver and oldest and version_of(facts.driver) < oldest:
        return f"the NVIDIA driver {facts.driver} is too old for torch's CUDA {facts.cuda}", (
            f"Update the driver to {oldest[0]} or newer, or choose a torch for an older CUDA at {LOCALLY}.",
        )
    if "kernel image" in facts.error or "capability" in facts.error:
        return f"this torch has no code for the card ({facts.error})", (f"Choose another CUDA at {LOCALLY}.",)
    if "system not yet initialized" in facts.error:
        return "NVIDIA's fabric manager does not run, and these cards need it", (
            "$ sudo systemctl enable --now nvidia-fabricmanager",
            "Its version must be the driver's; in a container the host must run it.",
        )
    if facts.system == "Linux" and not facts.uvm:
        return "the device /dev/nvidia-uvm is missing", ("$ sudo nvidia-modprobe -u -c=0",)
    return facts.error or "torch did not say why", ("`nvidia-smi` must show the card; if it does not, restart.",)


def amd(facts: GpuFacts) -> tuple[str, tuple[str, ...]]:
    """Reasons with an AMD card in the machine."""
    if not (facts.device or "").endswith("kfd"):
        if facts.container:
            return "an AMD card is here, but the container has no /dev/kfd", (
                "Start it with `--device /dev/kfd --device /dev/dri`.",
            )
        if facts.rocm is None:  # most often the small graphics of a processor, which no torch can use
            return "", ()
        return "an AMD card is here, but its driver offers no /dev/kfd", ("Load the kernel's amdgpu driver; restart.",)
    if facts.rocm is None:
        return f"an AMD card is here, but torch {facts.torch} is not built for it", (
            f"Install torch for ROCm: {LOCALLY} gives the command.",
        )
    if not facts.readable:
        return "this user may not open /dev/kfd", ("$ sudo usermod -aG render,video $USER", "Then log in again.")
    return facts.error or "ROCm does not know this card", (
        "`rocminfo` must list it; for a near relative of a known card set HSA_OVERRIDE_GFX_VERSION.",
    )


def apple(facts: GpuFacts) -> tuple[str, tuple[str, ...]]:
    """Reasons on a Mac."""
    if facts.processor != "arm64":
        return "this Python runs as Intel code", ("On Apple silicon install an arm64 Python; Intel Macs have no way.",)
    return "Metal is not there", ("Update macOS to 14 or newer.",)


def cuda_wheel(facts: GpuFacts) -> str:
    """Return the command that puts the CUDA build in the place of the CPU build."""
    if facts.system != "Linux":
        return f"Install torch for CUDA: {LOCALLY} gives the command."
    plain = facts.torch.partition("+")[0]
    return f"$ {sys.executable} -m pip install --force-reinstall torch=={plain}"


def cards_on_bus(root: Path) -> frozenset[str]:
    """Return the vendors of display cards on the PCI bus; empty where the system does not tell."""
    found: set[str] = {"nvidia"} if (root / "usr/lib/wsl/lib/libcuda.so.1").exists() else set()  # Windows lends it
    for card in (root / "sys/bus/pci/devices").glob("*"):
        if read(card / "class").startswith(DISPLAY_CLASSES):
            found.add(VENDORS.get(read(card / "vendor"), "other"))
    return frozenset(found)


def driver_version(root: Path) -> str | None:
    """Return the version of NVIDIA's kernel driver, None where none is loaded."""
    match = re.search(r"\b(\d{3}\.\d+(?:\.\d+)?)\b", read(root / "proc/driver/nvidia/version"))
    return match.group(1) if match else None


def library_versions(root: Path) -> frozenset[str]:
    """Return the versions of NVIDIA's driver libraries that are installed."""
    found: set[str] = set()
    for folder in LIBRARY_FOLDERS:
        for file in root.glob(f"{folder}/libcuda.so.*"):
            if LIBRARY.fullmatch(file.name):
                found.add(file.name.removeprefix("libcuda.so."))
    return frozenset(found)


def hiding_variable() -> str | None:
    """Return the environment variable that hides every card, as NAME=VALUE."""
    for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"):
        if os.environ.get(name) in ("", "-1", "none", "void"):
            return f"{name}={os.environ[name]}"
    return None


def in_container(root: Path) -> bool:
    """Return whether this looks like a container."""
    marks = (root / ".dockerenv", root / "run/.containerenv")
    return any(mark.exists() for mark in marks) or "container=" in read(root / "proc/1/environ")


def first_existing(root: Path, *names: str) -> Path | None:
    """Return the first of `names` under `root` that exists."""
    return next((root / name for name in names if (root / name).exists()), None)


def version_of(text: str) -> tuple[int, ...]:
    """Return "535.104.05" as numbers."""
    return tuple(int(part) for part in text.split("."))


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def read(path: Path) -> str:
    """Return the text of a small system file, empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
