"""Who asks. Doors find it out; queue, routes and page are told, and believe nothing else.

Knows no HTTP and no secrets.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. name: "" where the house asks for no names. admin: may see and do what is others' too."""

    name: str = ""
    admin: bool = True

    @property
    def sees(self) -> str | None:
        """Whose jobs they may see, in the store's words: None is everybody's."""
        return None if self.admin else self.name
