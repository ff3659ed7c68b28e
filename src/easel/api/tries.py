"""Wrong secrets, counted by the address they come from and by the name they are tried for.

A try counts before its secret is looked at and is forgiven when it was right, so that many at once are counted as many
one after another are. Knows no secret and keeps no name, only digests of names.
"""

from __future__ import annotations

import hashlib
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from easel.core.errors import TooManyTries

TRIES, WINDOW = 10, 60.0  # wrong secrets from one address, and in how many seconds
PER_NAME = 20  # wrong secrets for one name from anywhere in as many seconds; more, so that one address alone locks none
REMEMBERED = 10_000  # addresses and names at most
NETWORK = 64  # bits of an IPv6 address that one household or machine has for itself


@dataclass(frozen=True, slots=True)
class Try:
    """One look at a secret: when it was, and under what it counts."""

    when: float
    keys: tuple[str, ...]


class Tries:
    """What was tried lately. clock: seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: OrderedDict[str, list[float]] = OrderedDict()

    def check(self, address: str) -> None:
        """Raise TooManyTries for an address from which too many wrong secrets came."""
        self._check(place_of(address), TRIES)

    def begin(self, address: str, name: str | None) -> Try:
        """Count a try and return it. name: None for a key alone. Raises TooManyTries, and then counts nothing."""
        limits = {place_of(address): TRIES} | ({} if name is None else {name_key(name): PER_NAME})
        for key, limit in limits.items():
            self._check(key, limit)
        made = Try(self._clock(), tuple(limits))
        for key in made.keys:
            self._times.setdefault(key, []).append(made.when)
            self._times.move_to_end(key)
        while len(self._times) > REMEMBERED:
            self._times.popitem(last=False)
        return made

    def forgive(self, one: Try) -> None:
        """Count a try no longer: its secret was right, or never looked at."""
        for key in one.keys:
            times = self._times.get(key, [])
            if one.when in times:
                times.remove(one.when)

    def _check(self, key: str, limit: int) -> None:
        since = self._clock() - WINDOW
        recent = [when for when in self._times.get(key, ()) if when > since]
        if key in self._times:
            self._times[key] = recent
        if len(recent) >= limit:
            raise TooManyTries(int(recent[-limit] - since) + 1)


def place_of(address: str) -> str:
    """Return under what an address counts: itself, or its network where it is one of IPv6."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return f"at {address}"
    if found.version == 6 and found.ipv4_mapped is None:
        return f"at {ipaddress.ip_network((int(found), NETWORK), strict=False)}"
    return f"at {found}"


def name_key(name: str) -> str:
    """Return under what a name counts, known or not."""
    return f"for {hashlib.sha256(name.encode(errors='replace')).hexdigest()}"
