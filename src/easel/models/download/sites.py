"""The two sites: their addresses and, of a person who has one there, the token. Sends nothing.

A token comes from the environment, the system's keyring, or where `hf auth login` keeps it, and is never shown.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from easel.core.errors import BadValue, StorageError, UnknownName, Unsupported

SERVICE = "easel"  # in the keyring
LONGEST_TOKEN = 1000
DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Site:
    """A site. base: its address; token: sent there and nowhere else; login: how to give one, in words."""

    key: str
    name: str
    base: str
    variables: tuple[str, ...]
    page: str
    token: SecretStr | None = None

    @property
    def login(self) -> str:
        return f"`easel models login {self.key}` or {self.variables[0]}"


# key: name, variable of the address, address, variables of the token, page where tokens are made
SITES = {
    "hf": (
        *("Hugging Face", "HF_ENDPOINT", "https://huggingface.co", ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")),
        "https://huggingface.co/settings/tokens",
    ),
    "civitai": (
        *("Civitai", "EASEL_CIVITAI", "https://civitai.com", ("CIVITAI_TOKEN", "CIVITAI_API_TOKEN")),
        "https://civitai.com/user/account",
    ),
}


def site(key: str) -> Site:
    """Return a site without its token. Raises UnknownName, or BadValue for an address that is not safe."""
    if key not in SITES:
        raise UnknownName("site", key, tuple(SITES))
    name, variable, usual, variables, page = SITES[key]
    base = os.environ.get(variable, "").strip().rstrip("/") or usual
    if not is_safe(base):
        raise BadValue(variable, base.split("?", 1)[0], "an https:// address (http:// for this machine alone)")
    return Site(key, name, base, variables, page)


def with_token(found: Site) -> Site:
    """Return the site with this person's token there, if there is one. Raises BadValue for one that cannot be sent."""
    token = next((value for name in found.variables if (value := os.environ.get(name, "").strip())), "")
    token = token or from_keyring(found.key) or (from_hub() if found.key == "hf" else "")
    return Site(found.key, found.name, found.base, found.variables, found.page, checked(token) if token else None)


def checked(token: str) -> SecretStr:
    """Return a token that may stand in a header. Raises BadValue, which does not show it."""
    if not token.isascii() or not token.isprintable() or " " in token or not 0 < len(token) <= LONGEST_TOKEN:
        raise BadValue("token", "(hidden)", f"1 to {LONGEST_TOKEN} letters, digits and signs without a space")
    return SecretStr(token)


def from_keyring(key: str) -> str:
    """Return the token kept in the system's keyring; nothing where there is no keyring or it does not answer."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return ""
    try:
        return (keyring.get_password(SERVICE, key) or "").strip()
    except (KeyringError, RuntimeError, OSError):
        return ""


def from_hub() -> str:
    """Return the token that `hf auth login` has kept, nothing where there is none."""
    from huggingface_hub import constants

    try:
        return Path(constants.HF_TOKEN_PATH).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def keep_token(key: str, token: str) -> None:
    """Keep a token in the system's keyring. Raises Unsupported or StorageError."""
    found, secret = site(key), checked(token.strip())
    in_keyring(found, "set_password", SERVICE, key, secret.get_secret_value())


def forget_token(key: str) -> bool:
    """Take a site's token out of the system's keyring; return whether there was one. Raises as keep_token does."""
    if not from_keyring(site(key).key):
        return False
    in_keyring(site(key), "delete_password", SERVICE, key)
    return True


def in_keyring(found: Site, action: str, *arguments: str) -> Any:
    """Call the keyring. Raises Unsupported where there is none, StorageError where it refuses."""
    variable = found.variables[0]
    try:
        import keyring
        from keyring.errors import KeyringError, NoKeyringError
    except ImportError:
        raise Unsupported(
            f"tokens are kept by the package keyring, which is not installed: pip install 'easel[keyring]', or set "
            f"{variable}."
        ) from None
    try:
        return getattr(keyring, action)(*arguments)
    except NoKeyringError:
        raise Unsupported(f"this system has no keyring that answers; set {variable} instead.") from None
    except (KeyringError, RuntimeError, OSError) as error:
        raise StorageError(f"the system's keyring refused ({type(error).__name__}); set {variable} instead.") from None


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an address."""
    parts = urlsplit(url)
    return parts.scheme.lower(), (parts.hostname or "").lower(), parts.port or DEFAULT_PORTS.get(parts.scheme, 0)


def is_safe(url: str) -> bool:
    """Return whether an address may be asked: https, or http on this very machine."""
    try:
        scheme, host, _ = origin(url)
    except ValueError:
        return False
    return bool(host) and (scheme == "https" or (scheme == "http" and is_loopback(host)))


def may_follow(url: str, first: str) -> bool:
    """Return whether an address may be asked at the word of the site at `first`: never this machine for another."""
    return is_safe(url) and (origin(url)[0] == "https" or origin(first)[0] == "http")


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by its address or by the name localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
