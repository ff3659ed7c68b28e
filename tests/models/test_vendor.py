"""MKL's question: answered before torch is there, and only where that is of use."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from easel.models.vendor import LIBRARY, needs_answer

LINUX = sys.platform == "linux" and platform.machine() == "x86_64"
PROGRAM = (
    "import sys; from easel.models.vendor import answer_mkl, is_answered, needs_answer; {first};"
    "print(answer_mkl(), is_answered(), needs_answer(), 'torch' in sys.modules)"
)


def said(first: str = "pass") -> list[bool]:
    """What a fresh process finds."""
    program = PROGRAM.format(first=first)
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment)
    return [word == "True" for word in done.stdout.split()]


@pytest.mark.skipif(not LINUX, reason="the answer is for Linux on x86-64")
def test_it_is_given_where_it_is_of_use() -> None:
    answered, is_answered, needed, torch_there = said()
    assert answered is is_answered is needed is needs_answer()
    assert not torch_there


def test_who_imports_torch_first_has_settled_it() -> None:
    answered, is_answered, _, torch_there = said("import torch")
    assert (answered, is_answered, torch_there) == (False, False, True)


@pytest.mark.skipif(not LINUX or shutil.which("cc") is None, reason="needs a C compiler for x86-64")
def test_the_library_is_what_its_source_makes(tmp_path: Path) -> None:
    """One function and nothing else; the code of it is the compiler's of answer.c."""
    assert LIBRARY.stat().st_size < 4096
    made = tmp_path / "made.so"
    flags = ["-shared", "-fPIC", "-Os", "-nostdlib", "-s", "-fno-asynchronous-unwind-tables"]
    subprocess.run(["cc", *flags, "-o", made, LIBRARY.with_name("answer.c")], check=True)
    code = b"\xb8\x01\x00\x00\x00\xc3"  # mov eax, 1; ret
    assert code in LIBRARY.read_bytes() and code in made.read_bytes()
