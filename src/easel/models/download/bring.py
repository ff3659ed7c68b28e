"""A plan carried out: what is there already, the room on the disk, the files, and the one move at the end.

A whole folder is put together in a hidden one beside it, so that nobody takes half of it for a model. Knows no site.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from easel.core.errors import RequestError, StorageError
from easel.models.download.fetch import fetch
from easel.models.download.names import FOLDERS, folder_for, safe_name
from easel.models.download.partial import part_of, size_of, storage
from easel.models.download.plans import Plan
from easel.models.download.wanted import Event, Note, Progress, Wanted
from easel.models.download.web import Web
from easel.models.library.hashing import hash_of

SPARE = 2**26  # bytes of the disk that stay free


@dataclass(frozen=True, slots=True)
class Brought:
    """What stands on the disk now. sha256: of a single file, "" of a folder; there: whether it was there before."""

    path: Path
    size: int
    sha256: str
    there: bool


def bring(
    plan: Plan, folder: Path, web: Web, *, models: Path | None = None, force: bool = False
) -> Generator[Event, None, Brought]:
    """Yield events until the plan stands in `folder`, and return what stands there.

    models: the models folder, whose other folders are looked through for the same file too. force: whether another
    file or folder of that name is replaced. Raises RequestError, ModelError and ResourceError.
    """
    bringing = bring_folder if plan.folder else bring_file
    target = folder / plan.name
    with storage(target):
        places = [target]
        if models is not None:
            places += [place for kind in FOLDERS if (place := folder_for(models, kind) / plan.name) != target]
        for place in places:
            if place.exists() and all(same(wanted, place, plan) for wanted in plan.files):
                keep_card(plan, place)
                digest = "" if plan.folder else hash_of([place])
                return Brought(place, sum(size_of(at(wanted, place, plan)) for wanted in plan.files), digest, True)
        refuse_other(plan, target, force=force)
    for note in plan.notes:
        yield Note(note)
    brought = yield from bringing(plan, target, web, force)
    with storage(target):
        keep_card(plan, target)
    return brought


def bring_file(plan: Plan, target: Path, web: Web, force: bool) -> Generator[Event, None, Brought]:
    """Yield events until a single file is in its place."""
    (wanted,) = plan.files
    check_room(plan.files, [part_of(target)], target)
    digest = yield from fetch(wanted, target, web, replace=force)
    return Brought(target, size_of(target), digest, False)


def bring_folder(plan: Plan, target: Path, web: Web, force: bool) -> Generator[Event, None, Brought]:
    """Yield events until all files of a folder are together, then move it into its place."""
    staging = target.with_name(f".{target.name}.part")
    places = [at(wanted, staging, plan) for wanted in plan.files]
    check_room(plan.files, [*places, *map(part_of, places)], target)
    done, total = 0, plan.size
    for wanted, place in zip(plan.files, places, strict=True):
        with storage(place):
            there = same(wanted, place, plan=None)
        if not there:
            for event in fetch(wanted, place, web, replace=True):
                yield Progress(done + event.done, total) if isinstance(event, Progress) else event
        done += size_of(place)
        yield Progress(done, total)
    with storage(target):
        for stray in set(path for path in staging.rglob("*") if path.is_file()) - set(places):
            stray.unlink()
        refuse_other(plan, target, force=force)
        old = target.with_name(f".{target.name}.old")
        if target.exists():
            os.replace(target, old)
        os.replace(staging, target)
        if old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink(missing_ok=True)
    return Brought(target, done, "", False)


def at(wanted: Wanted, place: Path, plan: Plan | None) -> Path:
    """Return where a file of a plan stands, `place` being its folder or the one file itself. Raises Unsafe."""
    if plan is not None and not plan.folder:
        return place
    return place.joinpath(*map(safe_name, PurePosixPath(wanted.name).parts))


def same(wanted: Wanted, place: Path, plan: Plan | None) -> bool:
    """Return whether a file is there and is the wanted one, by its hash; one without a hash is never known to be."""
    file = at(wanted, place, plan) if plan is not None else place
    if not file.is_file() or (wanted.size is not None and size_of(file) != wanted.size):
        return False
    if wanted.sha256:
        return hash_of([file]) == wanted.sha256.lower()
    if wanted.blob:
        content = file.read_bytes()  # git keeps small files so
        header = f"blob {len(content)}\0".encode()
        return hashlib.sha1(header + content, usedforsecurity=False).hexdigest() == wanted.blob.lower()
    return False


def refuse_other(plan: Plan, target: Path, *, force: bool) -> None:
    """Raise RequestError where something else has the name and is not to be replaced."""
    if not (target.exists() or target.is_symlink()) or (force and target.is_dir() == plan.folder):
        return
    what = "a folder" if target.is_dir() else "a file"
    told = any(wanted.sha256 or wanted.blob for wanted in plan.files)
    other = "other contents" if told else "contents that nobody can compare, since the site tells no hash"
    remedy = "--name" if force else "--force replaces it, --name"
    raise RequestError(
        f"{target}: {what} of that name is there, with {other}; {remedy} gives the new one another name."
    )


def check_room(files: Sequence[Wanted], partly: Sequence[Path], target: Path) -> None:
    """Raise StorageError where the disk has no room for what is still to come."""
    needed = sum(wanted.expected or 0 for wanted in files) - sum(map(size_of, partly))
    folder = next(parent for parent in target.absolute().parents if parent.exists())
    free = shutil.disk_usage(folder).free
    if needed > 0 and needed + SPARE > free:
        raise StorageError(
            f"{target}: {needed:,} bytes are to come and {free:,} are free; make room or choose another folder by --to."
        )


def card_of(path: Path) -> Path:
    """Return where the card of a model from Civitai stands: NAME.civitai.json beside it."""
    return path.with_name(f"{path.stem}.civitai.json")


def keep_card(plan: Plan, path: Path) -> None:
    """Write the card beside the file, in one move, where the plan has one."""
    if plan.card is None:
        return
    file = card_of(path)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        temporary.write_text(json.dumps(plan.card, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


def settle(brought: Brought, kind: str, models: Path) -> Brought:
    """Move a file, whose kind was not known before, into that kind's folder; it stays where that name is taken."""
    folder = folder_for(models, kind)
    target = folder / brought.path.name
    if kind not in FOLDERS or target == brought.path or target.exists():
        return brought
    with storage(target):
        folder.mkdir(parents=True, exist_ok=True)
        os.replace(brought.path, target)
        if card_of(brought.path).is_file():
            os.replace(card_of(brought.path), card_of(target))
    return Brought(target, brought.size, brought.sha256, brought.there)
