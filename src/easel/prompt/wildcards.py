"""Wildcards: the lists that stand for `__name__` in a prompt, kept by people as text and YAML files in one folder.

    animals/cats.txt     __animals/cats__     an entry a line; blank lines and # lines are left out
    any.yaml             __animals/dogs__     lists in mappings, named by their keys and not by the file
    __animals/*__  __animals/**__             one level, all levels below

An entry may hold wildcards and choices, and a weight: `3::tabby`. Names ignore case. This file does not know how
entries are picked.
"""

from __future__ import annotations

import fnmatch
import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from easel.core.errors import BadValue, UnknownName
from easel.prompt.choices import Pool, pool_of, weighted, wildcards_in
from easel.prompt.textfiles import read_text
from easel.prompt.yamllists import read_lists

KIND = "wildcard file"
MOST_FILES = 10_000
DEEPEST_FOLDER = 16
MOST_REFERENCES = 1000  # different wildcards named in one list
LISTING = "`easel prompt wildcards`"


class Wildcards:
    """The lists of one folder, each file read when it is first needed and kept; a new object sees changed files.

    folder: None or a folder that does not exist holds no lists. Links that lead out of the folder are not followed.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._texts: dict[str, Path] | None = None
        self._yamls: list[Path] = []
        self._lists: dict[str, list[str]] | None = None
        self._names: dict[str, str] = {}
        self._pools: dict[str, Pool] = {}
        self._sound: set[str] = set()

    @property
    def names(self) -> tuple[str, ...]:
        """Every name, sorted; reads the YAML files, which name their lists inside."""
        self._read_yamls()
        return tuple(sorted(self._names.values()))

    def lookup(self, name: str) -> Pool:
        """Return the entries of `name`; a name with stars gives those of every list it matches, in order of names.

        Raises UnknownName with the nearest; BadValue for a name that leads out of the folder, a file that is too large
        or cannot be read, a list without entries, or wildcards that name each other in a circle.
        """
        keys = self._matching(name)
        if not keys:
            raise UnknownName("wildcard", name, self.names, listing=LISTING)
        for key in keys:
            self._check_circles(key)
        pools = [self._pool(key) for key in keys]
        found = pools[0] if len(pools) == 1 else pool_of(option for pool in pools for option in pool.options)
        if not found.options:
            raise BadValue("wildcard", name, "a list with entries", remedy="its file holds none")
        return found

    def _matching(self, name: str) -> Sequence[str]:
        """Return the keys that a name stands for, none where it is not known."""
        key = folded(name)
        if key.startswith("/") or ".." in key.split("/"):
            raise BadValue("wildcard", name, "a name inside the wildcards folder")
        if "*" in key:
            self._read_yamls()
            return [known for known in sorted(self._names) if matches(known.split("/"), key.split("/"))]
        if key not in self._index():
            self._read_yamls()
        return [key] if key in self._names else []

    def _index(self) -> dict[str, Path]:
        """Return the text files by key, found once; the names of files are read, not the files."""
        if self._texts is None:
            texts: dict[str, Path] = {}
            yamls: list[Path] = []
            for path in files_of(self.folder) if self.folder else ():
                if path.suffix.casefold() == ".txt":
                    name = name_of(path, self.folder)
                    texts[folded(name)] = path
                    self._names[folded(name)] = name
                else:
                    yamls.append(path)
            self._texts, self._yamls = texts, yamls
        return self._texts

    def _read_yamls(self) -> dict[str, list[str]]:
        """Return the lists of all YAML files by key, read once; a text file of the same name stands before them."""
        texts = self._index()
        if self._lists is None:
            lists: dict[str, list[str]] = {}
            for path in self._yamls:
                for name, entries in read_lists(
                    read_text(path, KIND), f"{KIND} {path}", alone=name_of(path, self.folder)
                ):
                    key = folded(name)
                    if key not in texts:
                        lists.setdefault(key, []).extend(entries)
                        self._names.setdefault(key, unicodedata.normalize("NFC", name))
            self._lists = lists
        return self._lists

    def _pool(self, key: str) -> Pool:
        """Return the entries of one list, read once."""
        if key not in self._pools:
            path = self._index().get(key)
            entries = lines_of(read_text(path, KIND)) if path else self._read_yamls()[key]
            self._pools[key] = pool_of(map(weighted, entries))
        return self._pools[key]

    def _references(self, key: str) -> list[str]:
        """Return the keys of the lists that the entries of one list name; unknown names lead nowhere."""
        found = dict.fromkeys(name for option in self._pool(key).options for name in wildcards_in(option.text))
        if len(found) > MOST_REFERENCES:
            raise BadValue("wildcard", self._names[key], f"a list that names at most {MOST_REFERENCES} others")
        return list(dict.fromkeys(one for name in found for one in self._matching(name)))

    def _check_circles(self, key: str) -> None:
        """Raise BadValue where lists that `key` leads to name each other in a circle, whichever entry is picked."""
        way: dict[str, Iterator[str]] = {}
        following: str | None = key
        while following is not None or way:
            if following is None:
                self._sound.add(way.popitem()[0])
            elif following in way:
                circle = [*list(way)[list(way).index(following) :], following]
                spoken = " -> ".join(self._names[one] for one in circle)
                raise BadValue(
                    "wildcard", self._names[key], "lists that do not name each other in a circle", remedy=spoken
                )
            elif following not in self._sound:
                way[following] = iter(self._references(following))
            following = next(next(reversed(way.values())), None) if way else None


def folded(name: str) -> str:
    """Return the form under which names are compared: composed letters, no case, no surrounding space."""
    return unicodedata.normalize("NFC", name).strip().casefold()


def name_of(path: Path, folder: Path | None) -> str:
    """Return the name of a file's list: its path in the folder without the suffix, parted by "/"."""
    return unicodedata.normalize("NFC", path.relative_to(folder or Path()).with_suffix("").as_posix())


def files_of(folder: Path) -> Iterator[Path]:
    """Yield the text and YAML files of a folder in order of names, hidden ones and links out of it left out.

    Raises BadValue when there are more than MOST_FILES, or folders deeper than DEEPEST_FOLDER.
    """
    home = folder.resolve()
    count = 0
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if folders and len(Path(where).relative_to(folder).parts) >= DEEPEST_FOLDER:
            raise BadValue(f"wildcards folder {folder}", "deeper", f"folders at most {DEEPEST_FOLDER} deep")
        for name in sorted(files):
            path = Path(where, name)
            if name.startswith(".") or path.suffix.casefold() not in (".txt", ".yaml", ".yml"):
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(home):
                continue
            count += 1
            if count > MOST_FILES:
                raise BadValue(f"wildcards folder {folder}", "larger", f"at most {MOST_FILES} files")
            yield path


def lines_of(text: str) -> Iterable[str]:
    """Return the entries of a text file."""
    lines = (line.strip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    return [line for line in lines if line and not line.startswith("#")]


def matches(name: Sequence[str], pattern: Sequence[str]) -> bool:
    """Return whether the segments of a name fit those of a pattern; the segment "**" fits one or more.

    Steps back at most to the last "**", so the time is bounded by the product of the lengths.
    """
    here = there = 0
    again: tuple[int, int] | None = None
    while here < len(name):
        if there < len(pattern) and pattern[there] == "**":
            again = here + 1, there + 1
            here, there = again
        elif there < len(pattern) and fnmatch.fnmatchcase(name[here], pattern[there].replace("[", "[[]")):
            here, there = here + 1, there + 1
        elif again:
            again = again[0] + 1, again[1]
            here, there = again
        else:
            return False
    return there == len(pattern)
