"""One web app of all dialects over one queue: who comes in, which routes there are, how errors are told.

Everything that lives longer than an answer is made outside (app.open_server) and handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from easel.api import a1111, errors, login, native, openai
from easel.api.addresses import Addresses
from easel.api.bodies import Bounded
from easel.api.document import document
from easel.api.doors import Closing, Doors, accepted
from easel.api.errors import Shapes
from easel.api.guard import UNASKED, Guarded
from easel.api.metrics import Counted, Meters
from easel.api.security import Gate
from easel.core.figures import Figures
from easel.core.request import Request
from easel.core.settings import Settings
from easel.core.version import version
from easel.jobs.feed import Feed
from easel.jobs.store import Store
from easel.models.library.names import Library

LARGEST_BODY = 64 * 2**20  # bytes; a request with two pictures of 16 megapixels fits


def app(
    store: Store,
    feed: Feed,
    library: Library,
    settings: Settings,
    *,
    album: Path | None = None,
    check: Callable[[Request], None] = accepted,
    figures: Callable[[], Figures] = Figures,
    closing: Closing | None = None,
    gate: Gate | None = None,
    origins: tuple[str, ...] = (),
    largest_body: int = LARGEST_BODY,
    pages: tuple[str, ...] = (),
    addresses: Addresses | None = None,
) -> FastAPI:
    """Return the web app.

    album: where finished pictures stand, outputs/jobs where left out. gate: who may come in; callers from this machine
    alone where left out. origins: sites whose pages may ask (CORS). largest_body: bytes of a request at most.
    pages: the paths below which people look at pages, which may run programs of their own. addresses: fetches pictures
    that requests name by their address; where left out, none is fetched.
    """
    doors = Doors(
        store,
        feed,
        library,
        settings,
        album or settings.outputs / "jobs",
        check,
        figures,
        closing or Closing(),
        addresses=addresses,
    )
    meters = Meters(doors)
    shapes = Shapes({**dict.fromkeys(a1111.PATHS, a1111.shape), openai.PATH: openai.shape}, meters.count_error)
    made = FastAPI(
        title="Easel",
        version=version(),
        description="Pictures from words. Every job is kept in a queue on the disk and shares the machine with others.",
        docs_url=None,  # its page would fetch programs from another site
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    errors.install(made, shapes)
    made.include_router(native.routes(doors, meters))
    made.include_router(a1111.routes(doors))
    made.include_router(openai.routes(doors))
    entrance = gate or Gate(origins=origins)
    made.include_router(login.routes(entrance))
    made.openapi = lambda: document(made)  # type: ignore[method-assign]
    made.add_middleware(Bounded, shapes=shapes, largest=largest_body, unasked=UNASKED)
    made.add_middleware(Guarded, gate=entrance, shapes=shapes, pages=pages)  # the last added is outermost
    if origins:
        made.add_middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"], allow_credentials=True
        )
    made.add_middleware(Counted, meters=meters)
    return made
