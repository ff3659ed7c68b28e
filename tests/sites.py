"""A server on this machine that speaks as Hugging Face and Civitai do, and misbehaves where a test asks it to."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Served:
    """What stands at a path, and how it is misdelivered.

    cuts: after how many bytes of its body each answer in turn is cut. answers: statuses given first, one a request.
    token: what must be sent. leads: where it redirects. announced: a lying Content-Length. shift: of Content-Range.
    stall: what a cut waits for.
    """

    content: bytes = b""
    type: str = "application/octet-stream"
    etag: str = '"first"'
    cuts: list[int] = field(default_factory=list)
    resets: bool = False
    stall: threading.Event | None = None
    answers: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    token: str = ""
    leads: str = ""
    announced: int | None = None
    chunked: bool = False
    ranges: bool = True
    shift: int = 0
    status: int = 200


@dataclass(frozen=True)
class Asking:
    """A request as it came."""

    path: str
    query: dict[str, list[str]]
    headers: Message

    @property
    def token(self) -> str:
        return (self.headers["Authorization"] or "").removeprefix("Bearer ")


class Server(ThreadingHTTPServer):
    """Files by path, and what was asked."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, Served] = {}
        self.asked: list[Asking] = []

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def put(self, path: str, content: bytes = b"", **facts: Any) -> Served:
        """Serve bytes at a path."""
        self.files[path] = Served(content, **facts)
        return self.files[path]

    def put_json(self, path: str, value: Any, **facts: Any) -> Served:
        """Serve JSON at a path."""
        return self.put(path, json.dumps(value).encode(), type="application/json", **facts)

    def asks_for(self, path: str) -> list[Asking]:
        """Return the requests for a path."""
        return [asking for asking in self.asked if asking.path == path]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""

    def put_repository(self, name: str, files: dict[str, bytes], *, large: int = 1000, **facts: Any) -> str:
        """Serve a repository of Hugging Face as its API lists it; return its commit. large: bytes that are LFS."""
        commit = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        siblings: list[dict[str, Any]] = []
        for path, content in files.items():
            blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
            entry: dict[str, Any] = {"rfilename": path, "size": len(content), "blobId": blob}
            if len(content) >= large:
                entry["blobId"] = "0" * 40
                digest = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 130}
            siblings.append(entry)
            self.put(f"/{name}/resolve/{commit}/{path}", content)
        info = {"id": name, "modelId": name, "sha": commit, "siblings": siblings, "tags": facts.pop("tags", [])}
        for revision in ("", "/revision/main", f"/revision/{commit}", "/revision/refs/pr/1"):
            self.put_json(f"/api/models/{name}{revision}", info, **facts)
        return commit

    def put_version(
        self, version: int, files: list[dict[str, Any]], *, model: int = 7, type: str = "Checkpoint", **facts: Any
    ) -> dict[str, Any]:
        """Serve a version of a model as Civitai's API does, under its own path, its model's and its hashes."""
        shared = {
            "id": version,
            "name": "v1",
            "baseModel": "SD 1.5",
            "trainedWords": ["a fox", "<style>"],
            "files": files,
            **facts,
        }
        whole = {**shared, "modelId": model, "model": {"name": "Fox", "type": type, "nsfw": False}}
        self.put_json(f"/api/v1/model-versions/{version}", whole)
        for entry in files:
            if digest := entry.get("hashes", {}).get("SHA256"):
                self.put_json(f"/api/v1/model-versions/by-hash/{digest[:10]}", whole)
        self.put_json(f"/api/v1/models/{model}", {"id": model, "name": "Fox", "type": type, "modelVersions": [shared]})
        return whole

    def civitai_file(self, name: str, content: bytes, *, number: int = 1, **facts: Any) -> dict[str, Any]:
        """Serve a file and return it as Civitai describes it."""
        path = f"/api/download/models/{number}"
        self.put(path, content, headers={"Content-Disposition": f'attachment; filename="{name}"'})
        pickle = not name.endswith("safetensors")
        return {
            "id": number,
            "name": name,
            "type": "Model",
            "sizeKB": round(len(content) / 1024, 2),
            "metadata": {"format": "PickleTensor" if pickle else "SafeTensor", "size": "pruned", "fp": "fp16"},
            "pickleScanResult": "Success",
            "virusScanResult": "Success",
            "hashes": {"SHA256": hashlib.sha256(content).hexdigest().upper()},
            "downloadUrl": f"{self.base}{path}",
            "primary": True,
            **facts,
        }


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        self.server.asked.append(Asking(path, parse_qs(parts.query), self.headers))
        served = self.server.files.get(path)
        if served is None:
            self.answer(404, b'{"error": "Not found"}', {"Content-Type": "application/json"})
        elif served.token and self.server.asked[-1].token != served.token:
            self.answer(
                401, b'{"error": "Unauthorized", "message": "Log in first"}', {"Content-Type": "application/json"}
            )
        elif served.answers:
            self.answer(served.answers.pop(0), b"later", served.headers)
        elif served.leads:
            self.answer(307, b"", {"Location": served.leads})
        elif served.status != 200:
            self.answer(served.status, served.content, {"Content-Type": served.type, **served.headers})
        else:
            self.deliver(served)

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def deliver(self, served: Served) -> None:
        body, status, headers = served.content, 200, {"Content-Type": served.type, **served.headers}
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        if wanted and served.ranges and self.headers["If-Range"] in (None, served.etag):
            start = int(wanted[1])
            if start >= len(body):
                self.answer(416, b"", {"Content-Range": f"bytes */{len(body)}"})
                return
            where = f"bytes {start + served.shift}-{len(body) - 1 + served.shift}/{len(body)}"
            body, status = body[start:], 206
            headers["Content-Range"] = where
        if served.etag:
            headers["ETag"] = served.etag
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if served.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for place in range(0, len(body), 4096):
                piece = body[place : place + 4096]
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
            return
        self.send_header("Content-Length", str(served.announced if served.announced is not None else len(body)))
        self.end_headers()
        cut = served.cuts.pop(0) if served.cuts else None
        with suppress(ConnectionError):
            self.wfile.write(body[:cut])
            self.wfile.flush()
        if cut is not None and served.stall:
            served.stall.wait(60)
        if cut is not None or (served.announced or 0) > len(body):
            self.close_connection = True
            if served.resets:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                with suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def served() -> Iterator[Server]:
    """Yield a server in a thread."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
