"""Pictures that a client of this dialect names by their address, fetched before anything is understood.

Where the server fetches none, addresses stay as they are and are refused where pictures are read.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

from easel.api.a1111.wire import NamedPicture, Wire
from easel.api.addresses import MOST, WEB, Addresses
from easel.api.pictures import text_of
from easel.core.errors import BadValue

FIELDS = ("init_images", "mask", "image", "imageList")

W = TypeVar("W", bound=Wire)


async def brought(wire: W, addresses: Addresses | None) -> W:
    """Return a body with the pictures themselves where their addresses stood. Raises BadValue."""
    if addresses is None:
        return wire
    left = MOST

    async def instead(text: str, field: str) -> str:
        nonlocal left
        if not WEB.match(text):
            return text
        left -= 1
        if left < 0:
            raise BadValue(field, "one more address", f"at most {MOST} addresses in a request")
        return text_of(await addresses.file_at(text, field))

    changes: dict[str, Any] = {}
    for name in FIELDS:
        match getattr(wire, name, None):
            case str(text):
                changes[name] = await instead(text, name)
            case list() as given:  # pyright: ignore[reportUnknownVariableType]
                found: list[Any] = []
                for place, one in enumerate(cast("list[str | NamedPicture]", given)):
                    text = await instead(one if isinstance(one, str) else one.data, f"{name} {place}")
                    found.append(text if isinstance(one, str) else one.model_copy(update={"data": text}))
                changes[name] = found
            case _:
                pass
    return wire.model_copy(update=changes)
