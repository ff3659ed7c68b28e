"""Names to makers: one decorator registers, one lookup finds, unknown names and keywords are refused.

A registry keeps what doors need to show (label, aliases, options) beside the maker.
It does not import makers; the package that owns a registry imports the modules that register.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from easel.core.errors import BadValue, UnknownName

Maker = TypeVar("Maker", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Option:
    """A keyword-only argument of a maker, as doors show and check it."""

    name: str
    default: Any
    type: str


@dataclass(frozen=True, slots=True)
class Entry(Generic[Maker]):
    """One registered maker with what is known about it."""

    name: str
    make: Maker
    aliases: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    options: Mapping[str, Option] = field(default_factory=lambda: MappingProxyType({}))

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return `given` when every key is an option of this maker and of its default's kind.

        Raises UnknownName for a key that is no option, BadValue for a value of another kind.
        """
        for key, value in given.items():
            if key not in self.options:
                raise UnknownName(f"option of {self.name}", key, self.options)
            check_kind(f"option {key} of {self.name}", value, self.options[key].default)
        return dict(given)


class Registry(Generic[Maker]):
    """Entries by name and alias; lookup ignores case, and the listing keeps the order of registration."""

    def __init__(self, kind: str, *, listing: str | None = None) -> None:
        self.kind = kind
        self.listing = listing
        self._entries: dict[str, Entry[Maker]] = {}
        self._keys: dict[str, str] = {}

    def register(
        self, name: str, *, aliases: tuple[str, ...] = (), hidden: tuple[str, ...] = (), **facts: Any
    ) -> Callable[[Maker], Maker]:
        """Register a maker under `name`; keyword-only arguments become its options unless named in `hidden`."""

        def keep(maker: Maker) -> Maker:
            entry = Entry(name, maker, aliases, MappingProxyType(facts), MappingProxyType(options_of(maker, hidden)))
            keys = [folded(key) for key in (name, *aliases)]
            taken = [key for key in keys if self._keys.get(key, name) != name]
            if taken or name in self._entries:
                raise ValueError(f"{self.kind} {(taken or [name])[0]!r} is registered twice")
            self._keys.update(dict.fromkeys(keys, name))
            self._entries[name] = entry
            return maker

        return keep

    def __getitem__(self, name: str) -> Entry[Maker]:
        """Return the entry called `name`, or raise UnknownName with the nearest."""
        key = self._keys.get(folded(name))
        if key is None:
            raise UnknownName(self.kind, name, tuple(self._entries), listing=self.listing)
        return self._entries[key]

    def __contains__(self, name: str) -> bool:
        return folded(name) in self._keys

    def __iter__(self) -> Iterator[Entry[Maker]]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name, in order of registration, without aliases."""
        return tuple(self._entries)


def folded(name: str) -> str:
    """Return the form under which names are compared: case and surrounding space do not count."""
    return name.strip().casefold()


def options_of(maker: Callable[..., Any], hidden: tuple[str, ...]) -> dict[str, Option]:
    """Return the keyword-only arguments of `maker` that carry a default."""
    found: dict[str, Option] = {}
    for name, parameter in inspect.signature(maker).parameters.items():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and name not in hidden:
            if parameter.default is inspect.Parameter.empty:
                raise ValueError(f"option {name!r} of {maker!r} has no default")
            found[name] = Option(name, parameter.default, str(parameter.annotation))
    return found


def check_kind(what: str, value: Any, default: Any) -> None:
    """Raise BadValue unless `value` could stand where `default` stands."""
    if isinstance(default, bool):
        right, kind = isinstance(value, bool), "true or false"
    elif isinstance(default, int):
        right, kind = isinstance(value, int) and not isinstance(value, bool), "a whole number"
    elif isinstance(default, float):
        right = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
        kind = "a finite number"
    elif isinstance(default, str):
        right, kind = isinstance(value, str), "text"
    else:
        return
    if not right:
        raise BadValue(what, value, kind)
