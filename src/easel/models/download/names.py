"""Where what was fetched goes, and names from servers made safe for a disk. Knows no site."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from easel.core.errors import BadValue, Unsafe
from easel.models.library.kinds import CHECKPOINT, KINDS

# kind: folder below the models folder
FOLDERS: Mapping[str, str] = MappingProxyType(
    {kind: "" if kind == CHECKPOINT else row.folders[0] for kind, row in KINDS.items()}
)
SAFE_ENDINGS = (".safetensors", ".sft", ".gguf")
PICKLE_ENDINGS = (".ckpt", ".pt", ".pth", ".bin")
ENDINGS = (*SAFE_ENDINGS, *PICKLE_ENDINGS)
PICTURES = (".png", ".webp")  # in which embeddings are kept too
LONGEST = 200  # bytes of a name
FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)


def safe_name(name: str) -> str:
    """Return a server's name for a file as it may stand in a folder: no path, no device, not hidden. Raises Unsafe."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    visible = "".join(char for char in last if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co"))
    clean = FORBIDDEN.sub("_", visible).strip(" .")
    if not clean:
        raise Unsafe(f"the site names the file {name[:60]!r}, which is no name for a file; give one with --name.")
    if DEVICES.fullmatch(clean):
        clean = f"_{clean}"
    stem, ending = PurePosixPath(clean).stem, PurePosixPath(clean).suffix
    while len(f"{stem}{ending}".encode()) > LONGEST:
        if not stem:
            raise Unsafe(f"the site names the file {name[:60]!r}, which is too long; give one with --name.")
        stem = stem[:-1]
    return f"{stem}{ending}"


def given_name(name: str, ending: str) -> str:
    """Return the name that a person gave, with its ending. Raises BadValue."""
    full = name if not ending or name.lower().endswith(ending.lower()) else f"{name}{ending}"
    try:
        if safe_name(full) == full:
            return full
    except Unsafe:
        pass
    raise BadValue("--name", name, "a plain name for a file: no folder, no leading dot, none that Windows forbids")


def ending_of(name: str, kind: str = "") -> str:
    """Return a weights file's ending, in small letters. Raises BadValue for what holds no weights."""
    ending = PurePosixPath(name).suffix.lower()
    own = KINDS[kind].endings if kind in KINDS else ()
    if ending in (*ENDINGS, *own):
        return ending
    raise BadValue("file", name, f"one that ends in {', '.join(dict.fromkeys((*ENDINGS, *own)))}")


def checked_kind(kind: str) -> str:
    """Return `kind` where there is a folder for it. Raises BadValue."""
    if kind not in FOLDERS:
        raise BadValue("--kind", kind, ", ".join(FOLDERS))
    return kind


def folder_for(models: Path, kind: str) -> Path:
    """Return the folder for a kind of file below the models folder; an unknown kind's is the models folder itself."""
    return models.expanduser() / FOLDERS.get(kind, "")


def has_words(text: str, words: Iterable[str]) -> bool:
    """Return whether each of `words` is in `text`, whatever the case."""
    folded = text.casefold()
    return all(word.casefold() in folded for word in words)
