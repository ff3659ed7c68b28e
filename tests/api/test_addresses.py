"""Pictures by their address: from the public internet alone, whatever names, redirects and servers say."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from easel.api.addresses import MOST, REDIRECTS, Address, Addresses, is_public
from easel.api.pictures import text_of
from easel.core.errors import BadValue
from easel.media.reading import png_bytes
from tests.api.dialects import serving
from tests.jobs.playing import Player

OUTSIDE, INSIDE = "127.0.0.1", "127.0.0.2"  # stand for the public internet and for a private network


def png() -> bytes:
    return png_bytes(Image.new("RGB", (64, 64), (200, 90, 40)))


class Site(ThreadingHTTPServer):
    """A site on both, and who was asked by which name."""

    daemon_threads = True

    def __init__(self, place: str, port: int = 0) -> None:
        super().__init__((place, port), Handler)
        self.asked: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Site

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.headers['Host']}{self.path}")
        what, _, rest = self.path.removeprefix("/").partition("?")
        match what:
            case "fox.png":
                self.give(png())
            case "to":
                self.send_response(302)
                self.send_header("Location", rest)
                self.send_header("Content-Length", "0")
                self.end_headers()
            case "endless":
                self.send_response(200)
                self.end_headers()
                while True:
                    try:
                        self.wfile.write(b"x" * 2**16)
                    except OSError:
                        return
            case "slow":
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                stop = threading.Event()
                while not stop.wait(0.05):
                    try:
                        self.wfile.write(b"x")
                    except OSError:
                        return
            case _:
                self.send_error(404)

    def give(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def site(place: str, port: int = 0) -> Generator[Site]:
    with Site(place, port) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield made
        finally:
            made.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def sites() -> Generator[tuple[Site, Site]]:
    """One site outside and one inside, at the same port."""
    with site(OUTSIDE) as outside, site(INSIDE, outside.server_port) as inside:
        yield outside, inside


class Names:
    """Names and their addresses; a list of answers is given one a question, as somebody does who changes them."""

    def __init__(self, **known: list[list[str]]) -> None:
        self.known = known

    async def __call__(self, host: str, port: int) -> Iterable[str]:
        answers = self.known.get(host.partition(".")[0])
        if answers is None:
            return [host] if host[0].isdigit() else ["not an address"]
        return answers.pop(0) if len(answers) > 1 else answers[0]


def outside_alone(address: Address) -> bool:
    return address == ipaddress.ip_address(OUTSIDE)


def fetched(address: str, *, names: Names | None = None, **options: Any) -> bytes:
    usual = names or Names(fox=[[OUTSIDE]], den=[[INSIDE]], both=[[OUTSIDE, INSIDE]], turn=[[OUTSIDE], [INSIDE]])
    addresses = Addresses(usual, options.pop("allowed", outside_alone), **options)
    return asyncio.run(addresses.file_at(address, "image"))


def test_a_picture_comes_by_its_name(sites: tuple[Site, Site]) -> None:
    port = sites[0].server_port
    assert fetched(f"http://fox.example:{port}/fox.png") == png()
    assert sites[0].asked[-1] == f"fox.example:{port}/fox.png"
    assert fetched(f"http://fox.example:{port}/to?/fox.png") == png()
    assert fetched(f"http://fox.example:{port}/to?http://fox.example:{port}/to?/fox.png") == png()


@pytest.mark.parametrize(
    "address",
    [
        "http://den.example:PORT/fox.png",
        "http://127.0.0.2:PORT/fox.png",
        "http://2130706434:PORT/fox.png",
        "http://0x7f000002:PORT/fox.png",
        "http://127.2:PORT/fox.png",
        "http://[::ffff:127.0.0.2]:PORT/fox.png",
        "http://both.example:PORT/fox.png",
        "http://fox.example:PORT/to?http://den.example:PORT/fox.png",
        "http://fox.example:PORT/to?//127.0.0.2:PORT/fox.png",
        "http://fox.example:PORT/to?http://fox.example:PORT/to?http://den.example:PORT/fox.png",
        "http://fox.example@den.example:PORT/fox.png",
    ],
)
def test_nothing_inside_is_ever_asked(sites: tuple[Site, Site], address: str) -> None:
    outside, inside = sites
    with pytest.raises(BadValue) as raised:
        fetched(address.replace("PORT", str(outside.server_port)))
    assert "public internet" in raised.value.message and inside.asked == []


def test_a_name_that_changes_is_asked_for_once_a_connection(sites: tuple[Site, Site]) -> None:
    """What was checked is what is connected to: a second answer has nobody who asks for it."""
    outside, inside = sites
    names = Names(turn=[[OUTSIDE], [INSIDE]])
    assert fetched(f"http://turn.example:{outside.server_port}/fox.png", names=names) == png()
    assert names.known["turn"] == [[INSIDE]] and inside.asked == []
    with pytest.raises(BadValue):  # and by a redirect to itself, it has moved inside
        fetched(f"http://turn.example:{outside.server_port}/fox.png", names=names)
    assert inside.asked == []


@pytest.mark.parametrize(
    "address",
    [
        "ftp://fox.example/fox.png",
        "file:///etc/passwd",
        "http://",
        "http://fox.example:99999/",
        "http://[fox/",
        "gopher://fox.example/",
        "http://fox.example:PORT/to?file:///etc/passwd",
        "http://fox.example:PORT/to?ftp://fox.example/",
        "http://fox.example:PORT/to?http://[fox/",
        "http://fox.example:PORT/nothing",
        "http://fox.example:1/fox.png",
        "http://unknown.example/fox.png",
        "http://fox.example/" + "x" * 5000,
        "https://fox.example:PORT/fox.png",
    ],
)
def test_what_is_no_picture_of_the_web_is_refused(sites: tuple[Site, Site], address: str) -> None:
    with pytest.raises(BadValue, match="public internet"):
        fetched(address.replace("PORT", str(sites[0].server_port)))


def test_redirects_end(sites: tuple[Site, Site]) -> None:
    host = f"http://fox.example:{sites[0].server_port}"
    address = f"{host}/fox.png"
    for _ in range(REDIRECTS):
        address = f"{host}/to?{address}"
    assert fetched(address) == png()
    with pytest.raises(BadValue, match=f"at most {REDIRECTS} redirects"):
        fetched(f"{host}/to?{address}")


def test_size_and_time_end(sites: tuple[Site, Site]) -> None:
    host = f"http://fox.example:{sites[0].server_port}"
    with pytest.raises(BadValue, match="at most 1 MiB"):
        fetched(f"{host}/endless", largest=2**20)
    with pytest.raises(BadValue, match=r"within 0\.3 seconds"):
        fetched(f"{host}/slow", longest=0.3)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",  # where clouds tell a machine its secrets
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "239.255.255.250",
        "255.255.255.255",
        "240.0.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001:db8::1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2001::1",
    ],
)
def test_private_addresses(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101"])
def test_public_addresses(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_the_usual_ones_lead_to_nothing_of_this_machine(sites: tuple[Site, Site]) -> None:
    for host in ("localhost", "127.0.0.1", "[::1]", socket.gethostname()):
        with pytest.raises(BadValue):
            asyncio.run(Addresses().file_at(f"http://{host}:{sites[0].server_port}/fox.png", "image"))


@pytest.mark.parametrize("on", [True, False])
def test_where_a1111_takes_addresses(sites: tuple[Site, Site], tmp_path: Path, on: bool) -> None:
    fox = f"http://fox.example:{sites[0].server_port}/fox.png"
    addresses = Addresses(Names(fox=[[OUTSIDE]]), outside_alone) if on else None
    unit = {"module": "reference_only", "image": {"image": fox}}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("png-info", {"image": fox}),
        ("extra-single-image", {"image": fox, "upscaler_1": "Lanczos"}),
        ("extra-batch-images", {"imageList": [{"data": fox, "name": "a"}], "upscaler_1": "Lanczos"}),
        ("img2img", {"init_images": [fox], "steps": 1}),
        ("img2img", {"init_images": [text_of(png())], "mask": fox, "steps": 1}),
        ("txt2img", {"alwayson_scripts": {"ControlNet": {"args": [unit]}}, "steps": 1}),
    ]
    before = len(sites[0].asked)
    with serving(tmp_path, Player(pace=0.01), addresses=addresses) as served:
        for path, body in calls:
            answer = httpx2.post(f"{served.url}/sdapi/v1/{path}", json=body, timeout=30)
            assert answer.status_code == (200 if on else 422), answer.text
            assert on or "addresses are not fetched without `easel serve --allow-urls`" in answer.text
        many = {"init_images": [fox] * (MOST + 1), "batch_size": MOST + 1}
        assert httpx2.post(f"{served.url}/sdapi/v1/img2img", json=many, timeout=30).status_code == 422
    assert len(sites[0].asked) - before == ((len(calls) + MOST) if on else 0)
