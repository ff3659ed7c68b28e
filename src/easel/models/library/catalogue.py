"""Everything that stands in model folders, sorted by kind and named, joined with what was read of it.

Looks at folders again when one has changed, and at every file now and then. Knows names and not who asks for them.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from time import monotonic

from easel.core.settings import Settings
from easel.models.library import index
from easel.models.library.index import Row
from easel.models.library.indexing import read_and_keep, reader
from easel.models.library.kinds import CHECKPOINT, KINDS
from easel.models.library.places import Found, Scan, diffusers_folder, names_of, scan, walk

COMPANIONS = "companions"  # the folder beside the embedded model


class Catalogue:
    """What stands where. Any thread may ask.

    embedded: the model in the package, None where it has none; what goes with it stands in `companions` beside it, in
    folders by kind.
    """

    def __init__(self, settings: Settings, embedded: Path | None) -> None:
        self._own, self._others, self._embedded = settings.models, settings.model_folders, embedded
        self._lock = threading.RLock()
        self._scan: Scan | None = None
        self._walked = 0.0  # when, on the monotonic clock
        self._kept: dict[str, Row] = {}  # what was read, by path, whatever has changed since
        self._rows: dict[str, Row] = {}  # of that, what still holds for the files of the scan
        self._names: dict[str, dict[str, Found]] = {}  # by kind, as long as nothing changes

    def look(self, age: float = math.inf) -> list[Found]:
        """Return what stands there; walks the folders again where one has changed, or when that was `age` seconds ago.

        A file that was written in its place changes no folder, and is noticed by a walk alone.
        """
        with self._lock:
            if self._scan is None:
                self._kept = {row.path: row for row in index.rows(reader())}
            if self._scan is None or monotonic() - self._walked >= age or not self._scan.holds():
                self._walked = monotonic()
                self._scan = scan(self._own, self._others)
                if self._embedded is not None:
                    bundled = Scan()
                    walk(os.fspath(self._embedded.parent / COMPANIONS), CHECKPOINT, bundled)
                    starter = diffusers_folder(os.fspath(self._embedded), "starter", "starter", Scan())
                    self._scan.found += [*bundled.found, starter]
                kept = self._kept
                self._rows = {
                    path: row
                    for _, path, _, _, size, changed in self._scan.found
                    if (row := kept.get(path)) is not None and row.changed == changed and row.size == size
                }
                self._names = {}
            return self._scan.found

    def row(self, found: Found) -> Row | None:
        """Return what was read of a file since it last changed, None where it was not."""
        row = self._kept.get(found.path)
        return row if row is not None and (row.size, row.changed) == (found.size, found.changed) else None

    def rows(self) -> Mapping[str, Row]:
        """Return what was read of all files that have not changed since, by path."""
        self.look()
        return self._rows

    def named(self, kind: str) -> dict[str, Found]:
        """Return the files of one kind by name.

        The kind is the header's word, and the folder's where a file is not read or not recognised.
        """
        with self._lock:
            founds = self.look()
            if not self._names:
                sorted_out: dict[str, list[Found]] = {kind: [] for kind in KINDS}
                rows = self._rows.get
                for found in founds:
                    row = rows(found.path)
                    sorted_out[row.kind if row is not None and row.kind in KINDS else found.kind].append(found)
                self._names = {kind: names_of(some) for kind, some in sorted_out.items()}
                if self._embedded is not None:
                    self._names[CHECKPOINT]["starter"] = founds[-1]
            return self._names[kind]

    def strangers(self, kind: str) -> dict[str, Found]:
        """Return by name the files that stand in folders of one kind and are something else."""
        own = {found.path for found in self.named(kind).values()}
        return names_of(found for found in self.look() if found.kind == kind and found.path not in own)

    def unread(self) -> list[Found]:
        """Return what was not read yet, or has changed since."""
        founds = self.look()
        return [found for found in founds if found.path not in self._rows]

    def read(self, founds: Iterable[Found], until: float | None = None) -> Iterator[Row]:
        """Read files and yield what each says; ends early at the time `until` of the monotonic clock."""
        for row in read_and_keep(founds, until):
            with self._lock:
                self._kept[row.path] = self._rows[row.path] = row
                self._names = {}
            yield row

    def forget_gone(self) -> None:
        """Forget what was read of files that are gone; a drive that is not there now takes its folders with it."""
        there = {found.path for found in self.look()}
        gone = [
            path
            for path in index.paths()
            if path not in there and not os.path.exists(path) and os.path.isdir(os.path.dirname(path))
        ]
        index.keep((), gone)
