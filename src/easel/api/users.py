"""Names and their secrets: never kept, only what tells whether a given one is right.

A file has a line for each secret; a name may have several:

    ann:$argon2id$v=19$m=65536,t=3,p=4$...      a password
    bot:sha256$5e88489...                       a key, 256 random bits, made by `easel users add --key`
    root:$argon2id$...:admin                    sees everybody's jobs

Knows no HTTP.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from easel.core.caller import Caller
from easel.core.errors import BadValue, StorageError
from easel.core.settings import settings_file

KEY_BITS = 256
SHORTEST_KEY = 16  # characters; what is kept of a key is one round of a hash, so it must not be guessable
REMEDY = "`easel users add NAME --key` makes one"
KEY = "sha256$"
ADMIN = "admin"
REMEMBERED = 1000  # right secrets, so that only the first request of a client pays for argon2


@dataclass(frozen=True, slots=True)
class Secret:
    """One line of a file: what a name's password or key is checked against."""

    name: str
    digest: str
    admin: bool = False

    def promoted(self) -> Secret:
        """Return the same for an admin."""
        return replace(self, admin=True)

    @property
    def line(self) -> str:
        """As it stands in a file."""
        return ":".join((self.name, self.digest, *([ADMIN] if self.admin else [])))


class Users:
    """Who is known. Any thread may ask."""

    def __init__(self, known: Iterable[Secret]) -> None:
        self._hasher = PasswordHasher()
        self._nobody = self._hasher.hash(secrets.token_hex())  # so that unknown names take as long as known ones
        self._passwords: dict[str, list[Secret]] = {}
        self._keys: dict[str, Secret] = {}
        self._pepper = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, Caller] = OrderedDict()
        for one in known:
            if one.digest.startswith(KEY):
                self._keys[one.digest] = one
            else:
                self._passwords.setdefault(one.name, []).append(one)
        self._most = max((len(own) for own in self._passwords.values()), default=1)

    def known(self, name: str | None, secret: str) -> Caller | None:
        """Return who has this name and secret, or this key alone where there is no name; None for nobody."""
        return self.by_key(secret) if name is None else self.by_password(name, secret)

    def by_password(self, name: str, password: str) -> Caller | None:
        """Return who has this name and password, or has this key for a password; None for nobody.

        As many hashes are computed for every name, known or not, so that the time tells none.
        """
        key = self.by_key(password)
        if key is not None and hmac.compare_digest(key.name.encode(), name.encode(errors="replace")):
            return key
        found, nobody = None, Secret(name, self._nobody)
        own = self._passwords.get(name, [])
        for one in (*own, *[nobody] * (self._most - len(own))):
            if self._fits(one.digest, password) and one is not nobody:
                found = Caller(one.name, one.admin)
        return found

    def by_key(self, key: str) -> Caller | None:
        """Return whose key this is, None for nobody's. What is looked up is a digest, which no timing can tell."""
        one = self._keys.get(digest_of(key))
        return None if one is None else Caller(one.name, one.admin)

    def mark(self, given: str, address: str) -> bytes:
        """Return a digest of what was given from an address that only this process can make."""
        return hmac.digest(self._pepper, f"{address} {given}".encode(errors="replace"), "sha256")

    def remember(self, mark: bytes, caller: Caller) -> None:
        """Remember that what has this mark is right."""
        self._right[mark] = caller
        if len(self._right) > REMEMBERED:
            self._right.popitem(last=False)

    def remembered(self, mark: bytes) -> Caller | None:
        """Return for whom the same was right before."""
        return self._right.get(mark)

    def _fits(self, digest: str, password: str) -> bool:
        try:
            return self._hasher.verify(digest, password)
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return False


def digest_of(key: str) -> str:
    """Return what is kept of a key; keys are random and long, so that one round is enough."""
    return KEY + hashlib.sha256(key.encode(errors="replace")).hexdigest()


def new_key(name: str, admin: bool = False) -> tuple[str, Secret]:
    """Return a new random key, to be shown once, and what is kept of it."""
    key = f"easel-{secrets.token_urlsafe(KEY_BITS // 8)}"
    return key, Secret(checked(name), digest_of(key), admin)


def with_password(name: str, password: str, admin: bool = False) -> Secret:
    """Return what is kept of a password. Raises BadValue for a name or a password that cannot be one."""
    if not password:
        raise BadValue("password", "", "at least one character")
    return Secret(checked(name), PasswordHasher().hash(password), admin)


def checked(name: str) -> str:
    """Return a name when it can be one. Raises BadValue."""
    if not name or len(name) > 100 or ":" in name or not name.isprintable() or name.startswith("#"):
        raise BadValue("name of a user", name, "1 to 100 printable characters without ':', not beginning with '#'")
    return name


def read_users(file: Path) -> list[Secret]:
    """Return what a file says. Raises BadValue that names the line, never the secret; StorageError."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"{file}: cannot be read; {getattr(error, 'strerror', None) or error}.") from None
    return [
        secret_in(line, f"{file} line {number}")
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.startswith("#")
    ]


def secret_in(line: str, where: str) -> Secret:
    """Return what one line says. Raises BadValue, naming `where`."""
    name, _, rest = line.strip().partition(":")
    digest, _, role = rest.partition(":")
    if not digest.startswith(("$argon2", KEY)) or role not in ("", ADMIN):
        raise BadValue(where, f"{name}:...", "NAME:HASH or NAME:HASH:admin", remedy="`easel users add` writes it")
    return Secret(checked(name), digest, role == ADMIN)


def spoken(passwords: Iterable[str], keys: Iterable[str]) -> list[Secret]:
    """Return what is kept of NAME:PASSWORD and NAME:KEY. Raises BadValue, which never tells the secret."""
    found: list[Secret] = []
    for option, given in (("--auth", passwords), ("--api-key", keys)):
        for one in given:
            name, _, secret = one.partition(":")
            if not name or not secret:
                raise BadValue(option, "...", f"NAME:{'KEY' if option == '--api-key' else 'PASSWORD'}")
            if option == "--auth":
                found.append(with_password(name, secret))
            elif len(secret) < SHORTEST_KEY:
                raise BadValue(option, f"{name}:...", f"a key of {SHORTEST_KEY} characters or more", remedy=REMEDY)
            else:
                found.append(Secret(checked(name), digest_of(secret)))
    return found


def users_file() -> Path:
    """Return where the file stands that nobody named: beside the settings."""
    return settings_file().with_name("users")


def add_to(file: Path, secret: Secret) -> None:
    """Add a line to a file, which is made where it is missing. Raises BadValue, StorageError."""
    write_users(file, [*(read_users(file) if file.exists() else []), secret])


def write_users(file: Path, known: Iterable[Secret]) -> None:
    """Write a file that its owner alone may read, in one move at the end. Raises StorageError."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with os.fdopen(
                os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
            ) as to:
                to.writelines(f"{one.line}\n" for one in known)
            os.replace(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{file}: cannot be written; {error.strerror}.") from None
