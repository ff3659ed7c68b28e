"""`easel doctor`: what was found on this machine, and what to do about it.

Checks live in gpu.py, machine.py and reach.py; this file gathers them with those of Easel's own folders and shows the
list.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from easel.cli.endings import MACHINE

if TYPE_CHECKING:
    from types import ModuleType

    from easel.cli.findings import Finding
    from easel.core.settings import Settings

OLDEST_PYTHON = (3, 11)
STYLES = {"ok": "green", "hint": "magenta", "fix": "bold red"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port that a server would have.")] = 7860,
) -> None:
    """Say what was found on this machine, and what to do about it."""
    from easel.cli.display import json_line
    from easel.cli.findings import verdict

    findings = list(examine(port))
    usable, closing = verdict(findings)
    if as_json:
        print(json_line({"usable": usable, "findings": [finding.facts for finding in findings]}))
    else:
        show_findings(findings, closing)
    if not usable:
        raise typer.Exit(MACHINE)


def examine(port: int) -> Iterator[Finding]:
    """Yield every finding; one that fails never hides the next. port: that a server would have."""
    from easel.cli.findings import Finding
    from easel.cli.machine import allocator, memory
    from easel.cli.reach import judge_reach, reach_facts
    from easel.models.vendor import answer_mkl

    found = f"{'.'.join(map(str, sys.version_info[:3]))}, {sys.executable}"
    if sys.version_info[:2] < OLDEST_PYTHON:
        yield Finding("python", "fix", found, ("Easel needs Python 3.11 or newer.",))
    else:
        yield Finding("python", "ok", found)
    settings, finding = settings_in_force()
    if settings is None or settings.answer_mkl:
        answer_mkl()
    torch, about_torch = import_torch()
    yield about_torch
    if torch is not None:
        yield from of_torch(torch, settings)
    yield allocator()
    yield memory()
    yield finding
    if settings is not None:
        yield from of_folders(settings)
    yield judge_reach(reach_facts(port))


def settings_in_force() -> tuple[Settings | None, Finding]:
    """Return the settings, None where they cannot be read, and where they came from."""
    from tomllib import TOMLDecodeError

    from easel.cli.findings import Finding
    from easel.core.errors import EaselError
    from easel.core.settings import read_settings, settings_file

    file = settings_file()
    named = sorted(
        name for name in os.environ if name.startswith("EASEL_") and name[6:].lower() in fields_of_settings()
    )
    sources = [str(file) if file.is_file() else f"defaults (no {file})", *named]
    try:
        return read_settings(), Finding("settings", "ok", ", ".join(sources))
    except EaselError as error:
        return None, Finding("settings", "fix", error.message, (f"Mend it in {file} or in the environment.",))
    except (TOMLDecodeError, OSError) as error:
        return None, Finding("settings", "fix", f"{file}: {error}", ("Mend the file, or move it away.",))


def fields_of_settings() -> set[str]:
    """Return the names of all settings."""
    from easel.core.settings import Settings

    return set(Settings.model_fields)


def import_torch() -> tuple[ModuleType | None, Finding]:
    """Return torch, None where it does not load, and what there is to say of it."""
    from easel.cli.findings import Finding
    from easel.cli.gpu import first_line

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an old driver warns here; the GPU's finding says it in our words
            import torch
    except ImportError as error:
        advice = ("`./easel.sh doctor` installs what Easel needs; elsewhere: pip install torch",)
        return None, Finding("torch", "fix", f"not installed ({first_line(error)})", advice)
    except OSError as error:  # a library of its own that the loader cannot find
        return None, Finding("torch", "fix", f"installed but does not load: {first_line(error)}", (reinstall(),))
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else f"ROCm {torch.version.hip}"
    build = build if torch.version.cuda or torch.version.hip else "processors only"
    return torch, Finding("torch", "ok", f"{torch.__version__}, built for {build}")


def reinstall() -> str:
    """Return the command that installs torch anew."""
    return f"$ {sys.executable} -m pip install --force-reinstall torch"


def of_torch(torch: ModuleType, settings: Settings | None) -> Iterator[Finding]:
    """Yield what torch makes of this machine."""
    from easel.cli.gpu import gpu_facts, judge_gpu
    from easel.cli.machine import budget, layers, mkl, processor
    from easel.models.cpu.kernels import missing

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield judge_gpu(gpu_facts(torch, settings.device if settings else "auto"))
        if settings is not None:
            yield budget(settings)
    yield processor(torch)
    yield mkl(torch)
    yield layers(missing(), settings is None or settings.fused)


def of_folders(settings: Settings) -> Iterator[Finding]:
    """Yield whether pictures can be written, and which models there are."""
    from easel.cli.album import check_writable
    from easel.cli.findings import Finding
    from easel.cli.machine import disk
    from easel.core.errors import StorageError
    from easel.models.library.names import Library

    try:
        check_writable(settings.outputs)
        yield disk("outputs", settings.outputs, "Make room; `easel outputs prune` forgets a server's old pictures.")
    except StorageError as error:
        yield Finding("outputs", "fix", error.message, ("EASEL_OUTPUTS=FOLDER, or `outputs` in the settings file.",))
    yield from of_model_folders(settings)
    usable, broken = Library(settings).identities()
    names = ", ".join(model.name for model in usable)
    advice = tuple(error.message for error in broken)
    if not usable:
        advice = (*advice, f"Put a checkpoint into {settings.models.absolute()}; EASEL_MODELS names another folder.")
    yield Finding("models", "fix" if not usable else "hint" if broken else "ok", names or "none found", advice)


def of_model_folders(settings: Settings) -> Iterator[Finding]:
    """Yield whether the folders of models are there, and the room for more."""
    from easel.cli.machine import disk, missing_models

    if settings.models.is_dir():
        yield disk("models folder", settings.models, "A model takes 2 to 7 GB; make room, or name another folder.")
    else:
        yield missing_models(settings.models, named="models" in settings.model_fields_set)
    for folder in settings.model_folders:
        if not folder.is_dir():
            yield missing_models(folder, named=True, setting="model_folders")


def show_findings(findings: list[Finding], closing: str) -> None:
    """Print the findings: state, name and what was found in columns, what to do below, commands in one piece."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from easel.cli.layout import console, show
    from easel.core.version import version

    screen = console()
    screen.print(f"easel {version()}\n")
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(min_width=4, no_wrap=True)
        grid.add_column(min_width=width, no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(Text(finding.status, STYLES[finding.status]), Text(finding.name, "bold"), finding.found)
        show(screen, grid)
        for line in finding.advice:
            if line.startswith("$ "):  # never broken into lines, so that it can be copied
                screen.print(f"      {line}", soft_wrap=True)
            else:
                show(screen, Padding(line, (0, 0, 0, 6)))
    screen.print(f"\n{closing}")
