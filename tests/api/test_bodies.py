"""What a body may be: counted as it comes, measured before it is parsed."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.api.bodies import DEEPEST, SMALL, check_depth, depth_of
from easel.api.users import with_password
from easel.core.errors import BadValue
from tests.api.dialects import Served, serving
from tests.jobs.playing import Player

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(['"', "\\", '\\"[[[', "]]}}{{"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=30,
)
LARGEST = 2**20


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with serving(tmp_path_factory.mktemp("bodies"), Player(pace=0.01), largest_body=LARGEST) as found:
        yield found


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


def nested(value: Any, levels: int) -> Any:
    for level in range(levels):
        value = [value] if level % 2 else {'"\\': value}
    return value


@given(VALUES, st.integers(0, DEEPEST + 3), st.sampled_from(["utf-8", "utf-16", "utf-32-le"]), st.booleans())
def test_the_depth_is_what_is_parsed(value: Any, levels: int, encoding: str, ascii: bool) -> None:
    made = nested(value, levels)
    body = json.dumps(made, ensure_ascii=ascii).encode(encoding, "surrogatepass")
    if depth(made) <= DEEPEST:
        check_depth(body)
    else:
        with pytest.raises(BadValue, match="nested deeper"):
            check_depth(body)


@given(st.binary(max_size=300))
def test_nonsense_is_left_to_the_parser(body: bytes) -> None:
    check_depth(body)


@pytest.mark.parametrize(
    "body",
    [b"[" * 2**22, b"[]" * 2**21, b'"\\' * 2**21, b'"' * 2**22, b"[" * 2**21 + b"]" * 2**21, b'{"":' * 2**20],
)
def test_it_takes_no_time_to_see(body: bytes) -> None:
    begun = perf_counter()
    depth_of(body)
    assert perf_counter() - begun < 20  # what looks twice at every sign would take hours


@pytest.mark.parametrize("path", ["/v1/jobs", "/sdapi/v1/txt2img", "/v1/images/generations"])
def test_deep_json_is_refused_by_every_dialect(served: Served, path: str) -> None:
    for levels in (DEEPEST + 1, 5000, 200_000):
        body = b'{"override_settings":' * levels + b"1" + b"}" * levels
        answer = httpx2.post(served.url + path, content=body[:LARGEST], headers={"Content-Type": "application/json"})
        assert answer.status_code in (422, 400) and "nested deeper" in answer.text, answer.text


def chunks(size: int) -> Iterator[bytes]:
    yield b'--b\r\nContent-Disposition: form-data; name="image"; filename="x"\r\n\r\n'
    for _ in range(0, size, 2**16):
        yield b"x" * 2**16


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/jobs", "application/json"),
        ("/v1/jobs", "application/octet-stream"),
        ("/v1/images/edits", "multipart/form-data; boundary=b"),
    ],
)
def test_what_does_not_say_its_size_is_counted(served: Served, path: str, kind: str) -> None:
    answer = httpx2.post(served.url + path, content=chunks(LARGEST + 2**17), headers={"Content-Type": kind})
    assert answer.status_code == 413 and "at most 1 MiB" in answer.text


def test_what_says_that_it_is_too_large_is_not_read(served: Served) -> None:
    answer = httpx2.post(f"{served.url}/v1/jobs", content=b"x" * (LARGEST + 1))
    assert answer.status_code == 413 and str(LARGEST + 1) in answer.text


def test_whole_bodies_pass(served: Served) -> None:
    body = json.dumps({"prompt": "a fox", "steps": 1, "width": 64, "height": 64}).encode()
    streamed = iter([body[:9], body[9:]])
    sent = httpx2.post(f"{served.url}/v1/jobs", content=streamed, headers={"Content-Type": "application/json"})
    assert sent.status_code == 202, sent.text


def test_strangers_may_say_little(tmp_path: Path) -> None:
    with serving(tmp_path, Player(), (with_password("ann", "pw"),)) as found:
        for path in ("/login", "/logout", "/v1/healthz"):
            sent = httpx2.post(found.url + path, content=chunks(2**17), headers={"Content-Type": "application/json"})
            assert sent.status_code == 413 and str(SMALL) in sent.text
