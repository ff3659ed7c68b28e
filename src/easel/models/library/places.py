"""Where models and their companions stand: a walk over the folders that people name. Reads folders, opens no model.

Knows kinds by the names of folders; what a file really is, its header says elsewhere. Works on plain texts rather than
paths, of which ten thousand would take longer to make than the disk takes to answer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from easel.models.library.kinds import CHECKPOINT, KIND_OF_FOLDER, KINDS, PICTURES, SKIPPED, TENSORS
from easel.models.library.programs import MORE_PATHS, folders_of

DEEPEST = 8  # folders below the one that was named
UNSETTLED = 2 * 10**9  # nanoseconds; clocks of file systems are that coarse, so what changed since may change unseen
BESIDE = (".easel.json", ".yaml")  # files beside a model that say something of it
STEMS = ("diffusion_pytorch_model", "model", "pytorch_model", "pytorch_lora_weights")  # no names of models
ENDINGS = tuple({ending for kind in KINDS.values() for ending in kind.endings})
RANKS = {name: {ending: place for place, ending in enumerate(kind.endings)} for name, kind in KINDS.items()}


class Found(NamedTuple):
    """A file or diffusers folder. kind: what its folder says. below: its path under the folder `base`, with slashes.

    size: bytes. changed: the time in nanoseconds at which it, or what stands beside it, last changed.
    """

    kind: str
    path: str
    below: str
    base: str
    size: int
    changed: int


@dataclass(slots=True)
class Scan:
    """What one walk found, and when each folder that it read had last changed: None where a folder was not there."""

    found: list[Found] = field(default_factory=list[Found])
    folders: dict[str, int | None] = field(default_factory=dict[str, "int | None"])
    seen: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])

    def note(self, path: str) -> os.stat_result | None:
        """Remember when a folder or list last changed, and return its facts; call it before it is read."""
        try:
            facts = os.stat(path)
        except OSError:
            self.folders[path] = None
            return None
        settled = facts.st_mtime_ns < time.time_ns() - UNSETTLED
        self.folders[path] = facts.st_mtime_ns if settled else -1
        return facts

    def holds(self) -> bool:
        """Return whether no folder has changed since; a file that was written in its place is not noticed here."""
        return all(changed_at(path) == changed for path, changed in self.folders.items())


def changed_at(path: str) -> int | None:
    """Return when a file or folder last changed, in nanoseconds; None where there is none."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


def scan(own: Path, others: Sequence[Path]) -> Scan:
    """Return what stands in Easel's models folder, searched whole, and in the folders of other programs."""
    into = Scan()
    walk(os.fspath(own.expanduser()), CHECKPOINT, into)
    for other in others:
        scan_program(other, into)
    return into


def scan_program(folder: Path, into: Scan | None = None) -> list[Found]:
    """Return what stands in the folder of another program, and add it to a scan."""
    into = Scan() if into is None else into
    root = os.fspath(folder.expanduser())
    first = len(into.found)
    for place in (root, os.path.join(root, "models"), os.path.join(root, MORE_PATHS)):
        into.note(place)
    for kind, place in folders_of(root):
        walk(place, kind, into)
    return into.found[first:]


def walk(folder: str, kind: str, into: Scan) -> None:
    """Add what stands in one folder, preferred endings first, then by name."""
    first = len(into.found)
    descend(folder, "", os.path.basename(folder), kind, DEEPEST, into)
    into.found[first:] = sorted(into.found[first:], key=rank)


def rank(found: Found) -> str:
    """Return what files are ordered by: folders first, then by ending, then by path; one text, which sorts fastest."""
    path = found.path.casefold()
    return chr(RANKS[found.kind].get(path[path.rfind(".") :], -1) + 1) + path


def descend(folder: str, below: str, base: str, kind: str, depth: int, into: Scan) -> None:
    """Add what stands in a folder and those below. Links are followed, each folder once; the unreadable is passed over.

    A folder whose name says what it holds is a new base of names; what stands in one has its kind.
    """
    facts = into.note(folder)
    if facts is None or (facts.st_dev, facts.st_ino) in into.seen:
        return
    into.seen.add((facts.st_dev, facts.st_ino))
    try:
        entries = {entry.name: entry for entry in os.scandir(folder)}
    except OSError:
        return
    if "model_index.json" in entries:
        into.found.append(diffusers_folder(folder, below or base, base, into))
        return
    lead = f"{below}/" if below else ""
    into.found.extend(files_among(entries, lead, base, kind))
    for name, entry in entries.items():
        lower = name.lower()
        if name.startswith(".") or not entry.is_dir() or not depth or (kind == CHECKPOINT and lower in SKIPPED):
            continue
        if kind == CHECKPOINT and KIND_OF_FOLDER.get(lower, CHECKPOINT) != CHECKPOINT:
            descend(entry.path, "", name, KIND_OF_FOLDER[lower], depth - 1, into)
        else:
            descend(entry.path, lead + name, base, kind, depth - 1, into)


def files_among(entries: Mapping[str, os.DirEntry[str]], lead: str, base: str, kind: str) -> Iterator[Found]:
    """Yield the files of one folder whose endings are their kind's; NAME.vae.ENDING beside a checkpoint is a VAE."""
    said = {name: entry for name, entry in entries.items() if name.endswith(BESIDE)}
    for name, entry in entries.items():
        lower = name.lower()
        if not lower.endswith(ENDINGS) or name.startswith(".") or entry.is_dir():
            continue
        dot = name.rfind(".")
        own = "vae" if kind == CHECKPOINT and lower.endswith(".vae", 0, dot) else kind
        if lower[dot:] not in RANKS[own] or (lower.endswith(PICTURES) and is_preview(name, entries)):
            continue
        try:
            facts = entry.stat()
            changed = facts.st_mtime_ns
            for beside in (name[:dot] + word for word in BESIDE) if said else ():
                if beside in said:
                    changed = max(changed, said[beside].stat().st_mtime_ns)
        except OSError:
            continue
        yield Found(own, entry.path, lead + name, base, facts.st_size, changed)


def is_preview(name: str, beside: Collection[str]) -> bool:
    """Return whether a picture shows what a file beside it does, and is no embedding itself."""
    stem = name[: name.rfind(".")]
    return stem.endswith(".preview") or any(stem + ending in beside for ending in (*TENSORS, ".pt", ".bin"))


def diffusers_folder(folder: str, below: str, base: str, into: Scan) -> Found:
    """Return a diffusers folder with the bytes of all its files; the folders of its parts are noted in `into`."""
    size = changed = 0
    for place, _, names in os.walk(folder, followlinks=True):
        into.note(place)
        for name in names:
            try:
                facts = os.stat(os.path.join(place, name))
            except OSError:
                continue
            size += facts.st_size
            changed = max(changed, facts.st_mtime_ns)
    return Found(CHECKPOINT, folder, below, base, size, changed)


def names_of(founds: Iterable[Found]) -> dict[str, Found]:
    """Return files of one kind by name.

    A name is the path below its folder without the ending; where two would have the same name, the later one keeps its
    ending, its folder's name, or its whole path. A file called as every program calls it has its folder's name.
    """
    names: dict[str, Found] = {}
    for found in founds:
        below = found.below
        short = below[: below.rfind(".")] if below.lower().endswith(ENDINGS) else below
        if short.endswith(STEMS) and short[short.rfind("/") + 1 :] in STEMS and "/" in short:
            short = short[: short.rfind("/")]
        if short in names:
            choices = (below, f"{found.base}/{below}", found.path)
            short = next((name for name in choices if name not in names), found.path)
        names[short] = found
    return names


def meant_by(names: Mapping[str, Found], wanted: str) -> list[str]:
    """Return the names that people may mean by `wanted`: with its ending, without a folder, in another case."""
    if wanted in names:
        return [wanted]
    wanted = wanted.casefold()
    ends = wanted.rpartition("/")[2]
    near = {name: found for name, found in names.items() if ends in found.path.casefold() or ends in name.casefold()}
    for alike in (with_ending, without_folder):
        if found := [name for name, found in near.items() if wanted in map(str.casefold, alike(name, found))]:
            return found
    return []


def with_ending(name: str, found: Found) -> tuple[str, ...]:
    """Return a name as it is and with the ending of its file."""
    return name, name + os.path.splitext(found.path)[1]


def without_folder(name: str, found: Found) -> tuple[str, ...]:
    """Return the last part of a name, and of its path with and without the ending."""
    last = os.path.basename(found.path)
    stem, ending = os.path.splitext(last)
    return name.rpartition("/")[2], last, stem if ending.lower() in ENDINGS else last


def seen_again(found: Found) -> Found:
    """Return a file or diffusers folder with its size and time of change as they are now; one that is gone has none."""
    if os.path.isdir(found.path):
        return diffusers_folder(found.path, found.below, found.base, Scan())
    try:
        facts = os.stat(found.path)
    except OSError:
        return found._replace(size=0, changed=0)
    stem = found.path[: found.path.rfind(".")]
    times = (facts.st_mtime_ns, *(changed_at(stem + word) or 0 for word in BESIDE))
    return found._replace(size=facts.st_size, changed=max(times))
