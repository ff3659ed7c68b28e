"""What A1111's page asks of its extra networks: their cards, their metadata, and the pictures beside and within them.

Files are meant by the names that the library has for them and never by a path, so nothing else can be reached.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import mimetypes
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import FileResponse, Response

from easel.api.a1111.house import House
from easel.api.a1111.listings import flat_name, metadata_of, with_ending
from easel.api.errors import Refused
from easel.core.errors import BadValue, shown
from easel.models.library.kinds import CHECKPOINT
from easel.models.library.names import Entry, Library
from easel.models.library.previews import LARGEST, preview_of

PATH = "/sd_extra_networks/"
PAGES = {"lora": "lora", "textual inversion": "embedding", "checkpoints": CHECKPOINT}  # A1111's pages and our kinds
WORDS = {"lora": "<lora:{}:1>", "embedding": "{}", CHECKPOINT: ""}  # what a click on a card puts into a prompt
COVERS = "ssmd_cover_images"  # a field of a network's metadata: a JSON list of pictures in base64
FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}


def add(router: APIRouter, house: House) -> None:
    """Add the routes of extra networks."""
    library = house.doors.library

    @router.get(PATH + "thumb", response_class=FileResponse)
    async def thumb(filename: str = "") -> FileResponse:
        """Give the picture beside a model's file, by the file's name."""
        return await asyncio.to_thread(picture_of, library, filename)

    @router.get(PATH + "cover-images")
    async def cover(page: str = "", item: str = "", index: int = 0) -> Response:
        """Give a picture that a file's metadata holds."""
        return await asyncio.to_thread(cover_of, library, page, item, index)

    @router.get(PATH + "metadata")
    async def metadata(page: str = "", item: str = "") -> dict[str, str]:
        """Tell a file's metadata as a text of JSON; nothing where there is none."""
        found = await asyncio.to_thread(lambda: metadata_of(one.path) if (one := meant(library, page, item)) else {})
        if not found:
            return {}
        return {"metadata": json.dumps({key: found[key] for key in found if key != COVERS}, indent=4)}

    @router.get(PATH + "get-single-card")
    async def card(page: str = "", name: str = "", tabname: str = "") -> dict[str, str]:
        """Tell the card of one file as HTML; nothing where no file is called so."""
        return await asyncio.to_thread(card_of, library, page, name, tabname)

    _ = thumb, cover, metadata, card


def meant(library: Library, page: str, name: str) -> Entry | None:
    """Return the file of a page that a name means, None where there is none."""
    kind = PAGES.get(page.casefold())
    return named(library.entries(kind), name) if kind and name else None


def named(entries: Iterable[Entry], name: str) -> Entry | None:
    """Return the first file that is called so: with or without folders and ending, or flattened as A1111 does."""
    known = list(entries)
    for called in (own_name, with_ending, flattened, last_part):
        for one in known:
            if called(one) == name:
                return one
    return None


def own_name(entry: Entry) -> str:
    """Return a file's name as the library has it."""
    return entry.name


def flattened(entry: Entry) -> str:
    """Return a file's name as A1111 has it of a file in folders."""
    return flat_name(entry.name)


def last_part(entry: Entry) -> str:
    """Return a file's name without its folders."""
    return entry.name.rpartition("/")[2]


def picture_of(library: Library, name: str) -> FileResponse:
    """Return the picture beside the file that a name means, of whatever page. Raises Refused with 404."""
    for kind in PAGES.values():
        one = named(library.entries(kind), name) if name else None
        picture = preview_of(one.path) if one else None
        if picture is not None and picture.stat().st_size <= LARGEST:
            media_type = mimetypes.guess_type(picture.name)[0] or "application/octet-stream"
            return FileResponse(picture, media_type=media_type)
    raise Refused(404, f"no picture stands beside a file called {shown(name)}; /sdapi/v1/loras and others tell names.")


def cover_of(library: Library, page: str, name: str, index: int) -> Response:
    """Return a picture within a file's metadata. Raises Refused with 404."""
    one = meant(library, page, name)
    covers = covers_of(one.path) if one else []
    if not 0 <= index < len(covers):
        raise Refused(404, f"{shown(name)} has {len(covers)} cover images, not number {index}.")
    try:
        data = base64.b64decode(covers[index], validate=True)
        media_type = FORMATS[format_of(data)]
    except (ValueError, TypeError, KeyError, BadValue):
        raise Refused(404, f"cover image {index} of {shown(name)} is no picture.") from None
    return Response(data, media_type=media_type)


def covers_of(path: Path) -> list[Any]:
    """Return the pictures that a file's metadata holds, as they stand there; none where it is not a list."""
    said: Any = metadata_of(path).get(COVERS)
    try:
        found: Any = json.loads(said) if isinstance(said, str) else None
    except (ValueError, RecursionError):
        found = None
    return list(cast("list[Any]", found)) if isinstance(found, list) else []


def format_of(data: bytes) -> str:
    """Return the format of a picture's bytes as Pillow calls it. Raises BadValue where they are none."""
    from PIL import Image

    from easel.media.reading import open_image

    open_image(data, "cover image")
    with Image.open(io.BytesIO(data)) as opened:
        return opened.format or ""


def card_of(library: Library, page: str, name: str, tab: str) -> dict[str, str]:
    """Return the card of a file: its picture, its name, and the words that a click puts into a prompt."""
    one = meant(library, page, name)
    if one is None:
        return {}
    title = last_part(one)
    words = WORDS[PAGES[page.casefold()]].format(title)
    address = f".{PATH}thumb?{urlencode({'filename': one.name})}"
    image = f'<img src="{escape(address)}" class="preview" loading="lazy">' if preview_of(one.path) else ""
    marks = {"class": "card", "data-name": one.name, "data-tab": tab, "data-prompt": words}
    attributes = " ".join(f'{key}="{escape(value)}"' for key, value in marks.items())
    return {"html": f'<div {attributes}>{image}<span class="name">{escape(title)}</span></div>'}
