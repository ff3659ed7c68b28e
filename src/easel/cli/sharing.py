"""A public link to a server on this machine, through Gradio's tunnel; it lives as long as the server.

Gradio's program, frpc, is fetched at the first use and checked by its hash. Who comes through the tunnel meets the gate
like everybody; nothing here lets anybody in.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from urllib.parse import urlsplit


@contextmanager
def shared(host: str, port: int, tell: Callable[[str], None]) -> Generator[None]:
    """Open a link to an address of this machine while the context lasts, and tell it, or in one line why there is none.

    It takes seconds and may take a minute without internet, so that nobody waits for it.
    """
    ended = threading.Event()

    def work() -> None:
        try:
            link = opened(host, port)
        except Exception as error:  # whatever a tunnel fails of, the server goes on
            tell(f"no public link: {reason(error)}; the server goes on without it.")
            return
        if not ended.is_set():
            tell(f"Easel serves at {link} too, to who has a name and a secret; the link ends with the server.")

    threading.Thread(target=work, name="sharing", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        end(port)


def opened(host: str, port: int) -> str:
    """Return the public address of a new tunnel to an address of this machine. Raises whatever Gradio raises."""
    from gradio.networking import GRADIO_SHARE_SERVER_ADDRESS, setup_tunnel

    found = setup_tunnel(host, port, secrets.token_urlsafe(32), None, None)
    own = GRADIO_SHARE_SERVER_ADDRESS is not None  # somebody's own end of the tunnel, which need not speak https
    return found if own else f"https://{urlsplit(found).netloc or found}"


def end(port: int) -> None:
    """End the tunnels to a port."""
    from gradio.tunneling import CURRENT_TUNNELS

    for tunnel in CURRENT_TUNNELS:
        process = tunnel.proc
        if tunnel.local_port == port and process is not None:
            tunnel.proc = None
            process.terminate()
            process.wait(5)


def reason(error: Exception) -> str:
    """Return the first line of an error, and of what caused it."""
    found = [str(one).strip().splitlines() for one in (error, error.__cause__) if one is not None]
    told = ": ".join(lines[0].rstrip(".: ") for lines in found if lines)
    return told or type(error).__name__
