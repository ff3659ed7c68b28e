"""`easel serve`: the queue, an engine, a worker and the web app in one process, until Ctrl-C or SIGTERM.

Chooses who may come in, opens what is needed and ends it in order; routes and jobs stand in api/ and jobs/.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from easel.cli.drawing import stop_signals
from easel.cli.endings import leave_at_once, say
from easel.core.errors import BadValue, Unsupported

if TYPE_CHECKING:
    import uvicorn

    from easel.api.addresses import Addresses
    from easel.api.doors import Closing
    from easel.api.users import Users

PORT = 7860  # where clients of A1111 look
EVERYWHERE = "0.0.0.0"
GRACE = 10  # seconds that answers on their way are given at the end
WHERE, WHO, WEB, QUEUE = "Where", "Who may come in", "Browsers", "Jobs"

Host = Annotated[str, typer.Option("--host", metavar="ADDRESS", rich_help_panel=WHERE, help="Address to listen at.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, rich_help_panel=WHERE, help="Port; 0 takes a free one.")]
Listen = Annotated[
    bool, typer.Option("--listen", rich_help_panel=WHERE, help="Listen at every address; needs users or keys.")
]
Certificate = Annotated[
    Path | None, typer.Option("--tls-cert", metavar="FILE", rich_help_panel=WHERE, help="Certificate, for https.")
]
CertificateKey = Annotated[
    Path | None, typer.Option("--tls-key", metavar="FILE", rich_help_panel=WHERE, help="The certificate's key.")
]
UsersFile = Annotated[
    Path | None,
    typer.Option(
        "--users", metavar="FILE", rich_help_panel=WHO, help="Names and hashed secrets, as `easel users add` writes."
    ),
]
Auth = Annotated[
    list[str] | None,
    typer.Option(
        "--auth",
        metavar="NAME:PASSWORD",
        rich_help_panel=WHO,
        help="A name and password; others on this machine see it here, not in EASEL_AUTH, one a line, nor in --users.",
    ),
]
Keys = Annotated[
    list[str] | None,
    typer.Option(
        "--api-key",
        metavar="NAME:KEY",
        rich_help_panel=WHO,
        help="A name and its key, sent as Bearer; or in EASEL_API_KEYS, one a line. May be repeated.",
    ),
]
Admins = Annotated[
    list[str] | None,
    typer.Option("--admin", metavar="NAME", rich_help_panel=WHO, help="Sees everybody's jobs. May be repeated."),
]
Open = Annotated[
    bool, typer.Option("--insecure-open", rich_help_panel=WHO, help="Let everybody in who reaches the address.")
]
Share = Annotated[
    bool,
    typer.Option(
        "--share", rich_help_panel=WHERE, help="Make a public link through Gradio's tunnel; needs users or keys."
    ),
]
Shown = Annotated[
    bool,
    typer.Option("--open", rich_help_panel=WHERE, help="Open the page in a browser, where somebody can see one."),
]
Cors = Annotated[
    list[str] | None,
    typer.Option("--cors", metavar="ORIGIN", rich_help_panel=WEB, help="A site whose pages may ask. May be repeated."),
]
Largest = Annotated[
    int, typer.Option("--max-body", metavar="MIB", min=1, max=4096, rich_help_panel=WEB, help="Largest request.")
]
Urls = Annotated[
    bool,
    typer.Option(
        "--allow-urls",
        rich_help_panel=WEB,
        help="Let /sdapi/v1 fetch pictures by their addresses, from the public internet alone.",
    ),
]
QueueUrl = Annotated[
    str,
    typer.Option(
        "--queue",
        metavar="URL",
        envvar="EASEL_QUEUE",
        show_envvar=False,
        rich_help_panel=QUEUE,
        help="The queue's database; outputs/jobs/jobs.sqlite where left out. postgresql://... for several servers.",
    ),
]
Each = Annotated[
    int | None,
    typer.Option(
        "--each",
        metavar="N",
        min=0,
        rich_help_panel=QUEUE,
        help="Jobs of one user that run at once at most, 0 for any number; the setting running_each.",
    ),
]


def serve(
    host: Host = "127.0.0.1",
    port: Port = PORT,
    listen: Listen = False,
    tls_cert: Certificate = None,
    tls_key: CertificateKey = None,
    users: UsersFile = None,
    auth: Auth = None,
    api_key: Keys = None,
    admin: Admins = None,
    insecure_open: Open = False,
    share: Share = False,
    open_page: Shown = False,
    cors: Cors = None,
    max_body: Largest = 64,
    allow_urls: Urls = False,
    queue: QueueUrl = "",
    each: Each = None,
) -> None:
    """Serve pictures to people and programs, over HTTP.

    Requests wait in a queue on the disk. docs/server.md has examples.
    """
    from easel.api.security import Gate, is_local, site
    from easel.core.settings import choosing

    if (tls_cert is None) != (tls_key is None):
        raise BadValue("--tls-cert", str(tls_cert or ""), "given together with --tls-key")
    address = EVERYWHERE if listen else host
    auth, keys = auth or lines_of("EASEL_AUTH"), api_key or lines_of("EASEL_API_KEYS")
    known = users_of(users, auth, keys, admin or [])
    if known is None and not is_local(address) and not insecure_open:
        need = "an address of this machine alone, or names with secrets"
        raise BadValue(
            "address", address, need, remedy="see --auth, --users and --api-key; --insecure-open does without"
        )
    if share and known is None:
        raise Unsupported("--share makes a link for all the world, and needs names: see --auth, --users and --api-key.")
    if share and tls_cert:
        raise Unsupported("--share cannot be honoured with --tls-cert; the tunnel speaks https for itself.")
    origins = tuple(site(origin) for origin in cors or [])
    gate = Gate(known, anywhere=not is_local(address), origins=origins)
    scheme = "https" if tls_cert else "http"
    with closing(bound(address, port)) as place:
        shown = f"[{address}]" if ":" in address else address
        ending = Ending(f"{scheme}://{shown}:{place.getsockname()[1]}")
        doors = {"gate": gate, "origins": origins, "largest_body": max_body * 2**20}
        with stop_signals(ending.stop), choosing(running_each=each), link(share, address, place):
            tls = {"ssl_certfile": tls_cert, "ssl_keyfile": tls_key}
            run(ending, place, queue, tls, open_page, addresses=fetching(allow_urls), **doors)


class Ending:
    """What Ctrl-C and SIGTERM do to a server: once ends it in order, twice at once. url: where it is found."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._asked = False
        self._server: uvicorn.Server | None = None
        self._streams: Closing | None = None

    def watch(self, server: uvicorn.Server, streams: Closing) -> None:
        """End this server, and its streams, when asked."""
        self._server, self._streams = server, streams

    def stop(self, code: int) -> None:
        """End; called by signal handlers."""
        if self._asked or self._server is None or self._streams is None:
            leave_at_once(code)
        self._asked = True
        self._server.should_exit = True
        self._streams.ask()


def run(
    ending: Ending, place: socket.socket, queue: str, tls: dict[str, Any], open_page: bool = False, **doors: Any
) -> None:
    """Serve at a socket until asked to end; then give what runs back to the queue. open_page: in a browser here."""
    from easel.core.loading import uncollected

    with ExitStack() as opened:
        with uncollected():
            from easel import app
            from easel.api import server
            from easel.api.doors import Closing
            from easel.cli.album import check_writable
            from easel.cli.screen import show_page
            from easel.core.settings import read_settings
            from easel.ui import front
            from easel.ui.house import House
            from easel.ui.workshop import Workshop

            settings, streams = read_settings(), Closing()
            check_writable(settings.outputs)
            serving = opened.enter_context(app.open_server(settings, queue))
            workshop = opened.enter_context(closing(Workshop()))
            waiting = serving.store.counts()
            web = server.app(
                serving.store,
                serving.feed,
                serving.library,
                settings,
                album=serving.album,
                check=serving.check,
                figures=serving.figures,
                closing=streams,
                pages=("/", *front.PATHS),
                **doors,
            )
            kept = (serving.store, serving.feed, serving.library, settings, serving.album)
            front.mount(web, House(*kept, serving.check, serving.figures, workshop))
            http = web_server(web, tls)
        ending.watch(http, streams)
        print(f"Easel serves at {ending.url}", flush=True)
        left = waiting["queued"] + waiting["running"]
        say(f"pictures go to {serving.album}; {f'{left} jobs go on from before; ' if left else ''}Ctrl-C ends it.")
        if open_page:
            show_page(ending.url.replace(EVERYWHERE, "127.0.0.1"))  # it waits at the socket until it is answered
        asyncio.run(http.serve(sockets=[place]))
        say("ending after this step; Ctrl-C again leaves at once.")
    say("ended; jobs that were not done go on when it serves again.")


def web_server(web: Any, tls: dict[str, Any]) -> uvicorn.Server:
    """Return uvicorn, which leaves signals to us and believes no header about where a request came from."""
    import uvicorn

    class Server(uvicorn.Server):
        def capture_signals(self) -> Any:
            return nullcontext()

    config = uvicorn.Config(
        web,
        log_level="warning",
        access_log=False,
        lifespan="on",
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
        **tls,
    )
    return Server(config)


def link(wanted: bool, address: str, place: socket.socket) -> AbstractContextManager[None]:
    """Return what holds a public link open, or nothing."""
    if not wanted:
        return nullcontext()
    from easel.cli.sharing import shared

    return shared("127.0.0.1" if address == EVERYWHERE else address, place.getsockname()[1], say)


def fetching(wanted: bool) -> Addresses | None:
    """Return what fetches pictures by their addresses, or nothing."""
    if not wanted:
        return None
    from easel.api.addresses import Addresses

    return Addresses()


def lines_of(variable: str) -> list[str]:
    """Return the lines of an environment variable, and take it out: no program that this one starts needs it."""
    return [line for line in os.environ.pop(variable, "").splitlines() if line.strip()]


def bound(address: str, port: int) -> socket.socket:
    """Return a socket that listens there. Raises BadValue where it cannot."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        made = socket.create_server((address, port), family=family, backlog=2048)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadValue(
            "address", f"{address}:{port}", "one that is free here", remedy=f"{reason}; see --port"
        ) from None
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or an answer's body waits 40 ms for its head's receipt
    return made


def users_of(file: Path | None, auth: list[str], keys: list[str], admins: list[str]) -> Users | None:
    """Return who is known, None where nobody is named. Raises BadValue, StorageError."""
    from easel.api.users import Users, read_users, spoken, users_file

    usual = users_file()
    found = read_users(file) if file else read_users(usual) if usual.is_file() else []
    found += spoken(auth, keys)
    if unknown := set(admins) - {one.name for one in found}:
        raise BadValue("--admin", sorted(unknown)[0], "the name of somebody known")
    if not found and file is None:
        return None
    return Users(one.promoted() if one.name in admins else one for one in found)
