"""Reading the small text files that people keep beside their prompts: bounded, UTF-8, faults named with their line."""

from __future__ import annotations

from pathlib import Path

from easel.core.errors import BadValue

LARGEST = 4 * 2**20  # bytes


def read_text(path: Path, kind: str) -> str:
    """Return the text of a file, without a byte order mark; `kind` is what messages call it.

    Raises BadValue for a file that cannot be read, is larger than LARGEST, or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise BadValue(f"{kind} {path}", error.strerror, "a file that can be read") from None
    if len(content) > LARGEST:
        raise BadValue(f"{kind} {path}", "too large", f"at most {LARGEST} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise BadValue(f"{kind} {path} line {line}", error.object[error.start : error.end], "text in UTF-8") from None
