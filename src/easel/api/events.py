"""The news of a job as server-sent events, from where it stands to its end.

    event: queued     {"ahead": 3}
    event: began      {"attempt": 1}
    event: progress   {"step": 5, "steps": 20, "evaluations": 5, "seconds": 1.2, "seconds_left": 3.6}
    event: preview    {"media_type": "image/jpeg", "image": "<base64>"}
    event: ended      the job, as GET /v1/jobs/ID tells it; the last

Who connects again hears where the job stands now. A waiting stream holds no thread, and says every fifteen seconds that
it is still there. Knows no routes.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from easel.api.doors import Closing
from easel.api.shown import progress_shown, shown_job
from easel.core.client import Previewed, Progressed, Queued
from easel.jobs.feed import Began, Ended, News

if TYPE_CHECKING:
    from PIL.Image import Image

STILL_HERE = 15.0  # seconds; proxies close connections that say nothing for a minute
AGAIN = b"retry: 2000\n\n"  # milliseconds until a browser connects again
QUALITY = 80  # of a preview's JPEG
KEPT = 64  # previews encoded for all who watch


class Previews:
    """Previews as JPEG in base64, each encoded once however many watch."""

    def __init__(self) -> None:
        self._made: OrderedDict[int, tuple[Image, str]] = OrderedDict()

    async def text(self, image: Image) -> str:
        """Return a picture's file in base64."""
        known = self._made.get(id(image))
        if known is None:
            known = image, await asyncio.to_thread(encoded, image)
            self._made[id(image)] = known
            if len(self._made) > KEPT:
                self._made.popitem(last=False)
        return known[1]


def encoded(image: Image) -> str:
    """Return a picture as JPEG in base64."""
    file = io.BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=QUALITY)
    return base64.b64encode(file.getvalue()).decode()


async def stream(first: News, news: AsyncIterator[News], closing: Closing, previews: Previews) -> AsyncIterator[bytes]:
    """Yield a job's news as they go over the wire, until the job or the server ends.

    first: what was heard already, so that a job nobody knows is told before the answer begins.
    """
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()

    def end() -> None:
        if not over.done():
            over.set_result(None)

    def wake() -> None:
        with suppress(RuntimeError):  # the loop has ended, and the stream with it
            loop.call_soon_threadsafe(end)

    yield AGAIN
    with closing.heard(wake):
        async with aclosing(cast("AsyncGenerator[News]", news)):
            yield await in_words(first, previews)
            coming: asyncio.Task[News | None] | None = None
            last = first
            try:
                while not isinstance(last, Ended):
                    coming = coming or asyncio.ensure_future(following(news))
                    await asyncio.wait((coming, over), timeout=STILL_HERE, return_when=asyncio.FIRST_COMPLETED)
                    if coming.done():
                        told, coming = coming.result(), None
                        if told is None:
                            return
                        last = told
                        yield await in_words(told, previews)
                    elif over.done():
                        return
                    else:
                        yield b": still here\n\n"
            finally:
                if coming is not None:
                    coming.cancel()
                    await asyncio.wait((coming,))


async def following(news: AsyncIterator[News]) -> News | None:
    """Return the next news, None where there are no more."""
    return await anext(news, None)


async def in_words(news: News, previews: Previews) -> bytes:
    """Return one piece of news as an event."""
    match news:
        case Queued(ahead=ahead):
            return event("queued", {"ahead": ahead})
        case Began():
            return event("began", asdict(news))
        case Progressed():
            return event("progress", progress_shown(news).model_dump())
        case Previewed(image=image):
            return event("preview", {"media_type": "image/jpeg", "image": await previews.text(image)})
        case Ended(job=job):
            return event("ended", shown_job(job).model_dump(mode="json"))


def event(name: str, data: Any) -> bytes:
    """Return an event with JSON for its data, which holds no line breaks."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
