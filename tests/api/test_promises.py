"""docs/security.md names tests that exist, and every promise has one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "security.md"
NAMED = re.compile(r"([\w/]+\.py)::(test_\w+)")


def promises() -> list[list[str]]:
    """Return the rows of the page's tables: promise, how, tests."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [row for row in rows if row[0] != "promise" and not row[0].startswith("-")]


def test_every_promise_names_a_test_that_exists() -> None:
    rows = promises()
    assert len(rows) >= 20
    defined: dict[str, set[str]] = {}
    for row in rows:
        assert len(row) == 3, row
        named = NAMED.findall(row[2])
        assert named and NAMED.sub("", row[2]).strip() == "", row
        for file, test in named:
            if file not in defined:
                tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
                defined[file] = {one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)}
            assert test in defined[file], f"{file}::{test}"


def test_figures_are_those_of_the_code() -> None:
    from easel.api import addresses, bodies, sessions, tries
    from easel.api.server import LARGEST_BODY
    from easel.media.metadata import LARGEST_PICTURE
    from easel.media.reading import LONGEST_SIDE

    page = PAGE.read_text(encoding="utf-8")
    for said, is_so in (
        ("after 12 hours without use, after 7 days", (sessions.IDLE, sessions.LONGEST) == (12 * 3600, 7 * 86400)),
        ("256 bits", sessions.TOKEN_BYTES * 8 == 256),
        ("ten wrong secrets a minute from an address", (tries.TRIES, tries.WINDOW) == (10, 60)),
        ("twenty for a name", tries.PER_NAME == 20),
        ("64 MiB or `--max-body`, 8 KiB", (LARGEST_BODY, bodies.SMALL) == (2**26, 2**13)),
        ("at most 64 levels", bodies.DEEPEST == 64),
        ("16,384 pixels a side, 89 megapixels", (LONGEST_SIDE, LARGEST_PICTURE // 10**6) == (16384, 89)),
        ("16 in a request", addresses.MOST == 16),
        (
            "64 MiB, 20 seconds, five redirects",
            (addresses.LARGEST, addresses.LONGEST, addresses.REDIRECTS) == (2**26, 20, 5),
        ),
    ):
        assert said in page and is_so, said
