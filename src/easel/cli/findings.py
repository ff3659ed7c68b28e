"""What `easel doctor` can say about one thing: fine, could be better, or must be fixed, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["ok", "hint", "fix"]


@dataclass(frozen=True, slots=True)
class Finding:
    """ok: nothing to do. hint: works, and could work better. fix: no picture can be drawn before this is mended.

    A line of advice that begins with "$ " is a command to copy.
    """

    name: str
    status: Status
    found: str
    advice: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, Any]:
        """The finding as JSON says it."""
        return asdict(self)


def verdict(findings: Iterable[Finding]) -> tuple[bool, str]:
    """Return whether pictures can be drawn, and the closing line."""
    statuses = [finding.status for finding in findings]
    fixes, hints = statuses.count("fix"), statuses.count("hint")
    if fixes:
        return False, f"{fixes} {'thing' if fixes == 1 else 'things'} to fix before pictures can be drawn."
    if hints:
        return True, f"Ready to draw; {hints} {'hint' if hints == 1 else 'hints'} above."
    return True, "Ready to draw."
