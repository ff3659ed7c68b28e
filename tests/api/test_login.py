"""People sign in by a form or as JSON, stay in by a cookie, leave, and no other site's page does it for them."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from html.parser import HTMLParser

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.api.login import own_path
from easel.api.login_page import LANGUAGES, WORDS, page, page_policy
from easel.api.sessions import LOCKED, PLAIN
from easel.api.tries import TRIES
from easel.api.users import new_key, with_password
from easel.core.errors import TooManyTries, Unauthorised
from tests.api.dialects import serving
from tests.jobs.playing import Player

KEY, BOT = new_key("bot")
HTML = {"Accept": "text/html,*/*;q=0.8"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    known = (with_password("ann", "pässword"), with_password("root", "toor", admin=True), BOT)
    with serving(tmp_path_factory.mktemp("login"), Player(pace=0.01), known) as served:
        yield served.url


@contextmanager
def signed_in(url: str, name: str = "ann", password: str = "pässword") -> Generator[httpx2.Client]:
    with httpx2.Client(base_url=url) as client:
        assert client.post("/login", data={"name": name, "password": password}).status_code == 303
        yield client


@pytest.mark.parametrize(
    "body",
    [
        {"name": "ann", "password": "pässword"},
        {"name": "bot", "password": KEY},
        {"key": KEY},
        {"password": KEY},
    ],
)
def test_a_right_secret_is_answered_with_a_cookie(url: str, body: dict[str, str]) -> None:
    for sent in ({"json": body}, {"data": body}):
        with httpx2.Client(base_url=url) as client:
            answer = client.post("/login", **sent)
            assert answer.status_code == (200 if "json" in sent else 303), answer.text
            if "json" in sent:
                assert answer.json() == {"name": body.get("name", "bot"), "admin": False}
            said = answer.headers["set-cookie"]
            assert (
                said.startswith(f"{PLAIN}=") and "HttpOnly" in said and "SameSite=Lax" in said and "Secure" not in said
            )
            assert client.get("/v1/jobs").json() == {"jobs": [], "next": None}


def test_wrong_ones_are_told_all_the_same(url: str) -> None:
    told: set[str] = set()
    for body in ({"name": "ann", "password": "x"}, {"name": "nobody", "password": "x"}, {"key": "x"}, {}):
        answer = httpx2.post(f"{url}/login", json=body)
        assert answer.status_code == 401 and "set-cookie" not in answer.headers
        told.add(answer.text)
    assert len(told) == 1


def test_nonsense_is_refused_and_no_secret_is_told(url: str) -> None:
    for sent, status in (
        ({"json": {"name": "ann", "password": ["hunter2"]}}, 422),
        ({"json": ["hunter2"]}, 422),
        ({"json": {"password": "hunter2", "passwort": "hunter2"}}, 422),
        ({"json": {"password": "hunter2" * 1000}}, 422),
        ({"content": b"\xff\xfehunter2", "headers": {"Content-Type": "application/json"}}, 422),
        ({"content": b"hunter2"}, 415),
        ({"files": {"password": b"hunter2"}}, 415),
    ):
        answer = httpx2.post(f"{url}/login", **sent)  # type: ignore[arg-type]
        assert answer.status_code == status and "hunter2" not in answer.text, answer.text


def test_who_leaves_is_out(url: str) -> None:
    with signed_in(url) as client:
        stolen = client.cookies[PLAIN]
        answer = client.post("/logout", headers={"Origin": url, **HTML})
        assert answer.status_code == 303 and answer.headers["location"] == "/login" and not client.cookies
        assert httpx2.get(f"{url}/v1/jobs", cookies={PLAIN: stolen}).status_code == 401
        assert client.post("/logout").status_code == 204


def test_signing_in_again_ends_the_session_before(url: str) -> None:
    with signed_in(url) as client:
        before = client.cookies[PLAIN]
        assert client.post("/login", data={"name": "root", "password": "toor"}).status_code == 303
        assert client.cookies[PLAIN] != before
        assert httpx2.get(f"{url}/v1/jobs", cookies={PLAIN: before}).status_code == 401


@pytest.mark.parametrize(
    ("said", "allowed"),
    [
        ({}, False),
        ({"Origin": "SELF"}, True),
        ({"Origin": "SELF", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": "SELF", "Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ""}, False),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "http://127.0.0.1:1"}, False),
        ({"Origin": "http://["}, False),
        ({"Origin": "ftp://SELFHOST"}, False),
    ],
)
def test_a_cookie_alone_changes_nothing(url: str, said: dict[str, str], allowed: bool) -> None:
    host = url.removeprefix("http://")
    headers = {name: value.replace("SELFHOST", host).replace("SELF", url) for name, value in said.items()}
    with signed_in(url) as client:
        for path in ("/v1/jobs", "/sdapi/v1/interrupt", "/logout"):
            answer = client.post(path, json={}, headers=headers)
            assert (answer.status_code < 300) is allowed, (path, answer.text)
            assert allowed or answer.status_code == 403
            if path == "/logout":
                break
        assert (client.get("/v1/jobs").status_code == 401) is allowed  # nobody else signs somebody out
    basic = httpx2.post(f"{url}/v1/jobs", json={}, auth=("ann", "pässword"))
    assert basic.status_code == 202  # a header says it on purpose


def test_other_sites_sign_nobody_in(url: str) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = httpx2.post(f"{url}/login", data={"name": "ann", "password": "pässword"}, headers=headers)
        assert answer.status_code == 403 and "set-cookie" not in answer.headers


def test_who_wants_a_page_is_shown_where_to_sign_in(url: str) -> None:
    answer = httpx2.get(f"{url}/en/?tab=gallery&x=%2F", headers=HTML)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2Fen%2F%3Ftab%3Dgallery%26x%3D%252F"
    form = httpx2.get(url + answer.headers["location"]).text
    assert 'name="next" value="/en/?tab=gallery&amp;x=%2F"' in form
    done = httpx2.post(f"{url}/login", data={"name": "ann", "password": "pässword", "next": "/en/?tab=gallery&x=%2F"})
    assert done.headers["location"] == "/en/?tab=gallery&x=%2F"
    for headers in ({}, {"Accept": "application/json"}, {"Accept": "image/png,*/*"}):
        assert httpx2.get(f"{url}/en/", headers=headers).status_code == 401
    assert httpx2.post(f"{url}/v1/jobs", headers=HTML, json={}).status_code == 401
    assert httpx2.get(f"{url}/v1/jobs", headers={**HTML, "Authorization": "Bearer x"}).status_code == 401


def test_who_is_in_is_sent_on(url: str) -> None:
    with signed_in(url) as client:
        assert client.get("/login?next=/ko/").headers["location"] == "/ko/"


def test_a_program_in_a_page_is_not_asked_by_the_browsers_window(url: str) -> None:
    refused = httpx2.get(f"{url}/v1/jobs", headers={"Sec-Fetch-Mode": "cors"})
    assert refused.status_code == 401 and refused.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "evil.example",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "http://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        "/ /evil.example",
        "/ok\r\nSet-Cookie: x=y",
        "/\u2215evil.example",
        "/login",
        "/login?next=//evil.example",
        "/logout",
        "/" + "x" * 5000,
    ],
)
def test_nobody_is_led_elsewhere(url: str, text: str) -> None:
    assert own_path(text) == "/"
    answer = httpx2.post(f"{url}/login", data={"name": "ann", "password": "pässword", "next": text[:1500]})
    assert answer.headers["location"] in ("/", text[:1500] if text.startswith("/x") else "/")


@given(st.text() | st.text("/\\:.ab?#@\t ", max_size=8))
def test_whatever_is_asked_for_the_browser_stays(text: str) -> None:
    found = own_path(text)
    assert found.startswith("/") and not found.startswith("//") and "\\" not in found
    assert str(httpx2.URL("http://home.example/").join(found)).startswith("http://home.example/")


class Form(HTMLParser):
    """What a page has: tags with their attributes, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for found, attrs in self.tags if found == tag]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_can_be_read_by_everybody(language: str) -> None:
    form = Form(page(language, error=Unauthorised("no")))
    assert form.all("html") == [{"lang": language}]
    assert "width=device-width" in str(form.all("meta"))
    named = {label["for"] for label in form.all("label")}
    assert {one["id"] for one in form.all("input") if one.get("type") != "hidden"} == named
    assert [one["role"] for one in form.all("p") if "role" in one] == ["alert"]
    assert not form.all("script") and not [one for _, one in form.tags if any(name.startswith("on") for name in one)]
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page(language))
    assert WORDS[language].keys() == WORDS["en"].keys()


def test_what_was_typed_stays_and_harms_nobody() -> None:
    text = page("en", name='"><script>alert(1)</script>', next='/"onfocus="x')
    form = Form(text)
    assert not form.all("script") and form.all("input")[1]["value"] == '"><script>alert(1)</script>'
    assert form.all("input")[0] == {"type": "hidden", "name": "next", "value": '/"onfocus="x'}
    assert "autofocus" in form.all("input")[2] and "autofocus" not in form.all("input")[1]


def test_the_page_speaks_the_askers_language(url: str) -> None:
    for headers, language in (
        ({}, "en"),
        ({"Accept-Language": "ko-KR,ko;q=0.9,en;q=0.5"}, "ko"),
        ({"Accept-Language": "ko", "Cookie": "easel_language=en"}, "en"),
        ({"Accept-Language": "ko", "Cookie": "easel_language=xx"}, "ko"),
    ):
        answer = httpx2.get(f"{url}/login", headers=headers)
        assert f'<html lang="{language}">' in answer.text and WORDS[language]["title"] in answer.text


def test_the_page_loads_nothing_but_itself(url: str) -> None:
    headers = httpx2.get(f"{url}/login").headers
    assert headers["content-security-policy"] == page_policy() and "unsafe" not in page_policy()
    assert headers["referrer-policy"] == "same-origin" and headers["cache-control"] == "no-store"


def test_an_open_wire_is_told(url: str) -> None:
    told = WORDS["en"]["plain"]
    assert told not in httpx2.get(f"{url}/login").text
    assert told in httpx2.get(f"{url}/login", headers={"Host": "studio.example"}).text
    tunnel = {"Host": "studio.example", "X-Forwarded-Proto": "https"}
    assert told not in httpx2.get(f"{url}/login", headers=tunnel).text


def test_through_a_tunnel_the_cookie_is_for_https(url: str) -> None:
    headers = {"Host": "studio.example", "Origin": "https://studio.example"}
    with httpx2.Client(base_url=url, headers=headers) as client:
        said = client.post("/login", data={"name": "ann", "password": "pässword"}).headers["set-cookie"]
        assert said.startswith(f"{LOCKED}=") and "; Secure" in said
        brought = {"Cookie": said.partition(";")[0]}
        assert client.post("/v1/jobs", json={}, headers=brought).status_code == 202


def test_where_nobody_is_known_nothing_is_asked(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(tmp_path_factory.mktemp("open"), Player()) as served:
        assert httpx2.get(f"{served.url}/login?next=/en/").headers["location"] == "/en/"
        assert httpx2.post(f"{served.url}/login", json={"key": "x"}).status_code == 422
        assert httpx2.post(f"{served.url}/logout").status_code == 204


def test_too_many_wrong_tries_lock_the_form_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    known = (with_password("ann", "pw"),)
    with (
        serving(tmp_path_factory.mktemp("locked"), Player(), known) as served,
        signed_in(served.url, "ann", "pw") as inside,
    ):
        for number in range(TRIES):
            answer = httpx2.post(f"{served.url}/login", data={"name": "ann", "password": f"wrong {number}"})
            assert answer.status_code == 401 and WORDS["en"]["unknown"] in answer.text
        for password in ("pw", "wrong"):  # right or wrong, nothing is looked at
            answer = httpx2.post(f"{served.url}/login", data={"name": "ann", "password": password})
            assert answer.status_code == 429 and 0 < int(answer.headers["retry-after"]) <= 61
            assert 'role="alert"' in answer.text and "set-cookie" not in answer.headers
        assert inside.get("/v1/jobs").status_code == 200


def test_a_wait_is_told_in_seconds() -> None:
    assert "in 42 seconds" in page("en", error=TooManyTries(42)) and "42초" in page("ko", error=TooManyTries(42))
