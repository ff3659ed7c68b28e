"""What identify says of a file, kept as a row of the index, and made an identity or an error again.

Knows neither where files stand nor when they are read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any

from easel.core.errors import Incomplete, Mismatch, ModelError, Unrecognised, Unsafe
from easel.core.version import version
from easel.models.layouts.identify import Identity, identify
from easel.models.library.index import Row, keep
from easel.models.library.kinds import PICTURES
from easel.models.library.places import Found

FAULTS: dict[str, type[ModelError]] = {kind.__name__: kind for kind in (Unrecognised, Incomplete, Mismatch, Unsafe)}
PAUSE = 1.0  # seconds, after which what was read is kept


@cache
def reader() -> str:
    """Return what names the code that reads files: its version and when it last changed; other code reads anew."""
    changed = max(file.stat().st_mtime_ns for file in Path(__file__).parents[1].rglob("*.py"))
    return f"{version()} {changed}"


def read(found: Found) -> Row:
    """Return what a file or folder says of itself, or which error it deserves; opens its header alone."""
    known = (found.path, found.size, found.changed, reader())
    try:
        identity = picture(found) if found.path.lower().endswith(PICTURES) else identify(Path(found.path))
    except ModelError as error:
        return Row(*known, "", "", "", "", type(error).__name__, error.message)
    except OSError as error:
        reason = f"{found.path}: cannot be read ({error.strerror or error})."
        return Row(*known, "", "", "", "", Incomplete.__name__, reason)
    facts = {name: value for name, value in asdict(identity).items() if name not in ("path", "name")}
    return Row(*known, identity.kind, identity.family, identity.words, json.dumps(facts), "", "")


def picture(found: Found) -> Identity:
    """Return what a picture among embeddings is taken for; whether it holds one, who looks at its pixels will tell."""
    path = Path(found.path)
    return Identity(path.stem, path, "", "", "", found.size, layout="file", known_by="", kind=found.kind)


def identity_in(row: Row, name: str) -> Identity:
    """Return the identity in a row; raises the error that stands in its place."""
    if row.fault:
        raise FAULTS.get(row.fault, ModelError)(row.message)
    facts = {key: as_tuples(value) for key, value in json.loads(row.facts).items()}
    return Identity(name=name, path=Path(row.path), **facts)


def as_tuples(value: Any) -> Any:
    """Return a value with tuples in place of lists, which JSON makes of them."""
    return tuple(as_tuples(one) for one in value) if isinstance(value, list) else value


def read_and_keep(founds: Iterable[Found], until: float | None = None) -> Iterator[Row]:
    """Yield what files say, keeping it on the way; ends early at the time `until` of the monotonic clock."""
    batch: list[Row] = []
    kept = monotonic()
    try:
        for found in founds:
            if until is not None and monotonic() >= until:
                return
            batch.append(read(found))
            yield batch[-1]
            if monotonic() - kept > PAUSE:
                keep(batch)
                batch, kept = [], monotonic()
    finally:
        keep(batch)
