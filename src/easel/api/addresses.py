"""Pictures fetched from where a request says they are: off by default, and then only from the public internet.

A name is resolved once for a connection, every address it has is checked, and what was checked is connected to; the
check stands where connections are made, so that neither a redirect nor a name that changes leads round it. Opens no
picture.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from httpcore2 import URL as Target
from httpcore2 import (
    AnyIOBackend,
    AsyncConnectionPool,
    AsyncNetworkBackend,
    AsyncNetworkStream,
    ConnectError,
    NetworkError,
    ProtocolError,
    TimeoutException,
)
from httpx2 import URL, InvalidURL

from easel.core.errors import BadValue

LARGEST = 64 * 2**20  # bytes of one picture's file
LONGEST = 20.0  # seconds for one picture, redirects and all
REDIRECTS = 5
MOST = 16  # pictures by their address in one request
LONGEST_ADDRESS = 4000  # characters
WEB = re.compile(r"https?://", re.IGNORECASE)
HEADERS = [("User-Agent", "Easel"), ("Accept", "image/*"), ("Accept-Encoding", "identity")]
WHAT = "the address of a picture on the public internet"

TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # IPv4 addresses as NAT64 writes them, RFC 6052

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Iterable[str]]]


async def resolved(host: str, port: int) -> list[str]:
    """Return the addresses of a name as this machine knows them. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(one[4][0]) for one in found]


def is_public(address: Address) -> bool:
    """Return whether an address is one of the public internet, and none of IPv4's within an IPv6 one is not."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


class NotPublic(ConnectError):
    """A name leads to where no request may."""


class Pinned(AsyncNetworkBackend):
    """Connections to addresses that were checked, and to no others."""

    def __init__(self, resolve: Resolve, allowed: Callable[[Address], bool]) -> None:
        self._resolve = resolve
        self._allowed = allowed
        self._backend = AnyIOBackend()

    async def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> AsyncNetworkStream:
        """Connect to the first address of a name that answers. Raises NotPublic unless all may be asked."""
        try:
            places = [ipaddress.ip_address(one) for one in await self._resolve(host, port)]
        except (OSError, ValueError) as error:
            raise ConnectError(str(error)) from error
        if not places or not all(self._allowed(place) for place in places):
            raise NotPublic(host)
        for place in places[:-1]:
            try:
                return await self._backend.connect_tcp(str(place), port, *args, **options)
            except (ConnectError, TimeoutException):
                continue
        return await self._backend.connect_tcp(str(places[-1]), port, *args, **options)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Fetches files. resolve: names to addresses. allowed: whether an address may be asked. longest: seconds."""

    resolve: Resolve = resolved
    allowed: Callable[[Address], bool] = is_public
    largest: int = LARGEST
    longest: float = LONGEST

    async def file_at(self, address: str, field: str) -> bytes:
        """Return the file at an address. Raises BadValue, naming `field`.

        What the site answers is never told, only that it was no file: an asker could else look round by it.
        """
        try:
            async with asyncio.timeout(self.longest), self._pool() as pool:
                for _ in range(REDIRECTS + 1):
                    found = await self._asked(pool, address, field)
                    if isinstance(found, bytes):
                        return found
                    address = found
        except TimeoutError:
            raise BadValue(field, address, f"{WHAT} that sends it within {self.longest:g} seconds") from None
        except (NetworkError, ProtocolError, TimeoutException, OSError):
            raise BadValue(field, address, WHAT) from None
        raise BadValue(field, address, f"{WHAT} with at most {REDIRECTS} redirects")

    def _pool(self) -> AsyncConnectionPool:
        return AsyncConnectionPool(network_backend=Pinned(self.resolve, self.allowed))

    async def _asked(self, pool: AsyncConnectionPool, address: str, field: str) -> bytes | str:
        """Return the file at an address, or the address that it leads to."""
        async with pool.stream("GET", target(address, field), headers=HEADERS) as answer:
            headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
            if answer.status in (301, 302, 303, 307, 308) and "location" in headers:
                return joined(address, headers["location"], field)
            if answer.status != 200:
                raise BadValue(field, address, WHAT)
            parts, size = list[bytes](), 0
            async for part in answer.aiter_stream():
                parts.append(part)
                size += len(part)
                if size > self.largest:
                    raise BadValue(field, address, f"{WHAT} of at most {self.largest // 2**20} MiB")
            return b"".join(parts)


def joined(address: str, where: str, field: str) -> str:
    """Return the address that an address leads to. Raises BadValue."""
    try:
        return urljoin(address, where)
    except ValueError:
        raise BadValue(field, address, WHAT) from None


def target(address: str, field: str) -> Target:
    """Return an address as connections want it; a name and password in it are left out. Raises BadValue."""
    try:
        url = URL(address) if len(address) <= LONGEST_ADDRESS else URL()
    except InvalidURL:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host or not 0 < (url.port or 80) < 2**16:
        raise BadValue(field, address, WHAT)
    return Target(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
