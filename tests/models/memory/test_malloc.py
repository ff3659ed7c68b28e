"""The allocator's habits, each tried in a process of its own since they last as long as it does."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from easel.models.memory.malloc import glibc

PROGRAM = """
import resource, torch
from easel.models.memory.malloc import give_back_memory, keep_freed_memory
print(keep_freed_memory())
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(16_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
def resident():
    return int(open("/proc/self/statm").read().split()[1])
before = resident()
give_back_memory()
print(before - resident())
"""

needs_glibc = pytest.mark.skipif(glibc() is None, reason="there is no glibc here, so nothing is set")


def tried(**variables: str) -> list[str]:
    """What PROGRAM prints."""
    others = ("MALLOC_", "GLIBC_", "LD_PRELOAD")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**kept, **variables}, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@needs_glibc
def test_freed_memory_is_kept_and_given_back() -> None:
    kept, faults, freed = tried()
    assert kept == "True"
    assert int(faults) < 2000  # 20 blocks of 15,625 pages are taken from what was kept
    assert int(freed) > 10_000


@needs_glibc
def test_those_who_set_the_allocator_themselves_are_obeyed() -> None:
    kept, faults, _ = tried(MALLOC_MMAP_THRESHOLD_="131072")
    assert kept == "False"
    assert int(faults) > 200_000
