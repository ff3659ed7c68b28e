"""`easel doctor`: on this machine, and on machines made of facts or of a few files."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from easel.cli.findings import Finding, verdict
from easel.cli.gpu import GpuFacts, cards_on_bus, driver_version, in_container, judge_gpu, library_versions
from easel.cli.machine import GIB, allocator, disk, judge_disk, layers, missing_models, mkl, processor
from easel.cli.reach import ReachFacts, came_by, can_be_had, firewall, holder_of, judge_reach
from tests.cli.conftest import Easel

NVIDIA = GpuFacts("2.13.0", cuda="13.0", cards=frozenset({"nvidia"}), device="/dev/nvidia0", driver="580.95.05")
AMD = GpuFacts("2.13.0+rocm7.1", rocm="7.1", cards=frozenset({"amd"}), device="/dev/kfd")


@pytest.mark.parametrize(
    ("facts", "status", "found", "advice"),
    [
        (GpuFacts("2.13.0+cpu"), "ok", "none found; the processor draws", ""),
        (GpuFacts("2.13.0+cpu", container=True), "ok", "--gpus all", ""),
        (GpuFacts("2.13.0+cpu", wanted="cuda"), "fix", "none found", "EASEL_DEVICE"),
        (replace(NVIDIA, usable=("NVIDIA H200, 140 GiB",)), "ok", "NVIDIA H200, 140 GiB, CUDA 13.0, driver 580", ""),
        (replace(NVIDIA, usable=("NVIDIA H200, 140 GiB",), wanted="cpu"), "hint", "not used", "device = cpu"),
        (replace(NVIDIA, torch="2.13.0+cpu", cuda=None), "hint", "built for processors only", "torch==2.13.0"),
        (replace(NVIDIA, torch="2.13.0", cuda=None, system="Windows"), "hint", "processors only", "pytorch.org"),
        (replace(NVIDIA, hidden="CUDA_VISIBLE_DEVICES="), "hint", "hides the card", "$ unset CUDA_VISIBLE_DEVICES"),
        (replace(NVIDIA, device=None, driver=None), "hint", "driver is not installed or not loaded", "nvidia-driver"),
        (replace(NVIDIA, device=None, container=True), "hint", "container was started without", "docker run --gpus"),
        (replace(NVIDIA, readable=False), "hint", "may not open /dev/nvidia0", "group"),
        (replace(NVIDIA, driver="535.104.05"), "hint", "535.104.05 is too old for torch's CUDA 13.0", "580 or newer"),
        (replace(NVIDIA, driver="535.104.05", wanted="cuda"), "fix", "too old", "EASEL_DEVICE"),
        (
            replace(NVIDIA, driver="570.86.15", libraries=frozenset({"580.95.05"})),
            "hint",
            "loaded is 570.86.15, its libraries are 580.95.05",
            "Restart the machine",
        ),
        (replace(NVIDIA, error="Error 802: system not yet initialized"), "hint", "fabric manager", "$ sudo systemctl"),
        (replace(NVIDIA, error="CUDA unknown error", uvm=False), "hint", "/dev/nvidia-uvm is missing", "modprobe -u"),
        (replace(NVIDIA, error="CUDA error: no kernel image is available"), "hint", "no code for the card", "CUDA"),
        (replace(NVIDIA, error="CUDA unknown error"), "hint", "CUDA unknown error", "nvidia-smi"),
        (replace(AMD, rocm=None), "hint", "not built for it", "ROCm"),
        (replace(AMD, readable=False), "hint", "may not open /dev/kfd", "render"),
        (replace(AMD, device=None), "hint", "no /dev/kfd", "amdgpu"),
        (replace(AMD, device=None, container=True), "hint", "container has no /dev/kfd", "--device /dev/kfd"),
        (replace(AMD, device=None, rocm=None), "ok", "none found", ""),
        (AMD, "hint", "ROCm does not know this card", "HSA_OVERRIDE_GFX_VERSION"),
        (GpuFacts("2.13.0", system="Darwin", processor="arm64"), "hint", "Metal is not there", "macOS"),
        (GpuFacts("2.13.0", system="Darwin"), "hint", "runs as Intel code", "arm64 Python"),
    ],
)
def test_why_the_gpu_is_not_used(facts: GpuFacts, status: str, found: str, advice: str) -> None:
    finding = judge_gpu(facts)
    assert finding.status == status and found in finding.found
    assert advice in " ".join(finding.advice)
    assert finding.found.startswith("Torch is not able to use GPU: ") == (
        not facts.usable and "none found" not in finding.found
    )


def test_what_files_say_of_a_gpu(tmp_path: Path) -> None:
    assert (cards_on_bus(tmp_path), driver_version(tmp_path), in_container(tmp_path)) == (frozenset(), None, False)
    put(tmp_path, "sys/bus/pci/devices/0000:01:00.0/class", "0x030200\n")
    put(tmp_path, "sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n")
    put(tmp_path, "sys/bus/pci/devices/0000:02:00.0/class", "0x020000\n")
    put(tmp_path, "sys/bus/pci/devices/0000:02:00.0/vendor", "0x1002\n")
    put(tmp_path, "proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat\n")
    put(tmp_path, ".dockerenv", "")
    assert cards_on_bus(tmp_path / "wsl") == frozenset()
    put(tmp_path / "wsl", "usr/lib/wsl/lib/libcuda.so.1", "")
    assert cards_on_bus(tmp_path / "wsl") == frozenset({"nvidia"})
    assert (cards_on_bus(tmp_path), driver_version(tmp_path)) == (frozenset({"nvidia"}), "535.104.05")
    assert in_container(tmp_path)
    put(tmp_path, "usr/lib/x86_64-linux-gnu/libcuda.so.1", "")
    put(tmp_path, "usr/lib/x86_64-linux-gnu/libcuda.so.580.95.05", "")
    assert library_versions(tmp_path) == frozenset({"580.95.05"}) and library_versions(tmp_path / "wsl") == frozenset()


def test_the_allocator(tmp_path: Path) -> None:
    put(tmp_path, "etc/os-release", 'ID=linuxmint\nID_LIKE="ubuntu debian"\n')
    missing = allocator(tmp_path)
    assert missing.status == "hint" and missing.found.startswith("Cannot locate TCMalloc")
    assert missing.advice[0] == "$ sudo apt install libtcmalloc-minimal4"
    library = put(tmp_path, "usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4", "")
    idle = allocator(tmp_path)
    assert idle.advice[-1] == f'$ export LD_PRELOAD="{library}:$LD_PRELOAD"'
    put(tmp_path, "proc/self/maps", f"7f00-7f01 r-xp 00000000 08:01 1 {library}\n")
    assert allocator(tmp_path) == Finding("allocator", "ok", "TCMalloc")


def test_whether_the_c_library_keeps_freed_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    assert "(mallopt has it keep freed memory)" in allocator(tmp_path).found
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.arena_max=1")
    assert "(mallopt left alone: GLIBC_TUNABLES is set)" in allocator(tmp_path).found


def test_a_processor_without_avx2(tmp_path: Path) -> None:
    import torch

    put(tmp_path, "proc/cpuinfo", "vendor_id\t: GenuineIntel\nmodel name\t: Old\nflags\t\t: sse2\n\nprocessor : 1\n")
    finding = processor(torch, tmp_path)
    assert finding.status == "hint" and finding.found.startswith("Old, ") and "GFLOP/s" in finding.found


@pytest.mark.parametrize(
    ("vendor", "status", "found"),
    [("GenuineIntel", "ok", "fast path"), ("AuthenticAMD", "hint", "AuthenticAMD; float32")],
)
def test_mkl_doubts_processors_that_are_not_intels(tmp_path: Path, vendor: str, status: str, found: str) -> None:
    import torch

    put(tmp_path, "proc/cpuinfo", f"vendor_id\t: {vendor}\nflags\t\t: avx2\n")
    finding = mkl(torch, tmp_path)
    if finding.found != "not in this torch":
        assert finding.status == status and found in finding.found


def test_whose_layers_a_processor_computes_with() -> None:
    assert "EASEL_FUSED=0" in layers("", fused=True).found
    assert "no AVX-512" in layers("the processor has no AVX-512 BF16", fused=True).found
    assert "fused is off" in layers("", fused=False).found


def test_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert "made when needed" in disk("outputs", tmp_path / "new" / "er", "Make room.").found
    usual = missing_models(tmp_path / "models", named=False)
    assert usual.status == "ok" and "easel models download" in usual.advice[0]
    named = missing_models(tmp_path / "models", named=True)
    assert (
        named.status == "hint" and f"no folder {tmp_path}/models" in named.found and "EASEL_MODELS" in named.advice[0]
    )
    assert "EASEL_MODEL_FOLDERS" in missing_models(tmp_path, named=True, setting="model_folders").advice[0]


@pytest.mark.parametrize(
    ("free", "total", "status"),
    [
        (100 * GIB, 1000 * GIB, "ok"),
        (GIB - 1, 10 * GIB, "hint"),
        (10 * GIB, 1000 * GIB, "hint"),
        (2 * GIB, 8 * GIB, "ok"),
    ],
)
def test_a_disk_that_is_nearly_full(free: int, total: int, status: str) -> None:
    finding = judge_disk("outputs", "outputs", free, total, "Make room.")
    assert finding.status == status and bool(finding.advice) == (status == "hint")


CLOUD = ReachFacts(7860, addresses=("10.0.0.5",), ssh=("ubuntu", "8.8.8.8", 22))


@pytest.mark.parametrize(
    ("facts", "status", "found", "advice"),
    [
        (ReachFacts(7860), "ok", "http://127.0.0.1:7860, for this machine alone", ""),
        (ReachFacts(7860, free=False, holder="Easel"), "ok", "Easel serves at http://127.0.0.1:7860", ""),
        (ReachFacts(7860, free=False, holder="python3 (process 9)"), "hint", "in use by python3", "--port 7861"),
        (ReachFacts(7860, free=False), "hint", "port 7860 is in use", "end that program"),
        (CLOUD, "ok", "for this machine alone", "$ ssh -L 7860:127.0.0.1:7860 ubuntu@8.8.8.8"),
        (CLOUD, "ok", "", "With --listen and names (`easel users add`): http://10.0.0.5:7860"),
        (CLOUD, "ok", "", "A cloud's own firewall must let TCP 7860 in too"),
        (replace(CLOUD, ssh=("root", "172.17.0.2", 22)), "ok", "", "7860:127.0.0.1:7860 -p PORT root@HOST"),
        (replace(CLOUD, ssh=("", "8.8.4.4", 2222)), "ok", "", "-p 2222 USER@8.8.4.4"),
        (replace(CLOUD, container=True), "ok", "", "docker run -p 7860:7860"),
        (replace(CLOUD, firewall="ufw"), "ok", "", "sudo ufw allow 7860/tcp"),
        (replace(CLOUD, firewall="firewalld"), "ok", "", "firewall-cmd --add-port=7860/tcp"),
        (replace(CLOUD, addresses=("2001:db8::7",)), "ok", "", "http://[2001:db8::7]:7860"),
    ],
)
def test_where_a_server_would_be_reached(facts: ReachFacts, status: str, found: str, advice: str) -> None:
    finding = judge_reach(facts)
    assert finding.status == status and found in finding.found and advice in " ".join(finding.advice)


def test_what_files_say_of_a_firewall(tmp_path: Path) -> None:
    assert firewall(tmp_path) == ""
    put(tmp_path, "etc/ufw/ufw.conf", "# ENABLED=yes\nENABLED=no\n")
    assert firewall(tmp_path) == ""
    (tmp_path / "sys/fs/cgroup/system.slice/firewalld.service").mkdir(parents=True)
    assert firewall(tmp_path) == "firewalld"
    put(tmp_path, "etc/ufw/ufw.conf", "LOGLEVEL=low\nENABLED=yes\n")
    assert firewall(tmp_path) == "ufw"


def test_how_one_came_here() -> None:
    assert came_by("203.0.113.9 50000 198.51.100.7 22", "ann") == ("ann", "198.51.100.7", 22)
    assert [came_by(text, "ann") for text in ("", "a b c d", "1.2.3.4 5 nowhere 22")] == [None, None, None]


def test_a_port_that_someone_holds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        assert not can_be_had(port)
        assert f"(process {os.getpid()})" in holder_of(port)
    assert can_be_had(port)


def test_the_verdict() -> None:
    ok, hint, fix = (Finding("x", status, "") for status in ("ok", "hint", "fix"))
    assert verdict([ok]) == (True, "Ready to draw.")
    assert verdict([ok, hint]) == (True, "Ready to draw; 1 hint above.")
    assert verdict([fix, hint, fix]) == (False, "2 things to fix before pictures can be drawn.")


def test_this_machine(easel: Easel, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = easel("doctor")
    names = (
        "python",
        "torch",
        "GPU",
        "processor",
        "MKL",
        "allocator",
        "memory",
        "settings",
        "outputs",
        "models",
        "server",
    )
    for name in names:
        assert any(line[6:].startswith(name) for line in shown.lines), name
    assert max(len(line) for line in shown.lines if "$ " not in line) <= 80
    said = json.loads(easel("doctor", "--json").out)
    assert said["usable"] == (shown.code == 0)
    assert all(set(finding) == {"name", "status", "found", "advice"} for finding in said["findings"])
    assert list(home.iterdir()) == []


def test_what_must_be_fixed_ends_with_1(easel: Easel, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "taken").write_text("")
    monkeypatch.setenv("EASEL_OUTPUTS", "taken")
    ending = easel("doctor", "--json")
    outputs = next(finding for finding in json.loads(ending.out)["findings"] if finding["name"] == "outputs")
    assert (ending.code, outputs["status"]) == (1, "fix") and "not a directory" in outputs["found"]


@pytest.mark.parametrize("text", ["device = 'tpu'", "device ="])
def test_settings_that_cannot_be_read(easel: Easel, home: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (home / "easel.toml").write_text(text)
    monkeypatch.setenv("EASEL_SETTINGS", "easel.toml")
    ending = easel("doctor", "--json")
    settings = next(finding for finding in json.loads(ending.out)["findings"] if finding["name"] == "settings")
    assert (ending.code, settings["status"]) == (1, "fix")
    assert "easel.toml" in settings["found"] + settings["advice"][0]


def put(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
