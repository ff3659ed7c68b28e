"""Who may come in: nobody without a secret, nobody by another site's page, and nobody to another's jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest
from starlette.datastructures import Headers

from easel.api.security import Gate, header_of, is_local, site
from easel.api.tries import TRIES
from easel.api.users import Users, add_to, new_key, read_users, spoken, with_password
from easel.core.caller import Caller
from easel.core.errors import BadValue, Forbidden, TooManyTries, Unauthorised
from tests.api.dialects import serving
from tests.jobs.playing import Player

KEY, BOT = new_key("bot")
ANN, ROOT = with_password("ann", "pässword"), with_password("root", "toor", admin=True)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with serving(tmp_path_factory.mktemp("users"), Player(pace=0.01), (ANN, BOT, ROOT)) as served:
        yield served.url


def come(gate: Gate, method: str = "POST", address: str = "10.0.0.1", **headers: str) -> Caller:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return asyncio.run(gate.admit(method, Headers(named), address))


def test_nobody_without_a_secret(url: str) -> None:
    for path in ("/v1/jobs", "/v1/metrics", "/openapi.json", "/nothing", "/sdapi/v1/options"):
        answer = httpx2.get(url + path, headers={"X-Forwarded-User": "root", "X-Remote-User": "root"})
        assert answer.status_code == 401 and answer.headers["www-authenticate"].startswith("Basic")
    assert httpx2.get(f"{url}/v1/healthz").json() == {"status": "ok"}


def test_each_sees_and_stops_their_own(url: str) -> None:
    ann = httpx2.Client(base_url=url, auth=("ann", "pässword"))
    root = httpx2.Client(base_url=url, auth=("root", "toor"))
    bot = httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"})
    with ann, bot, root:
        job = ann.post("/v1/jobs", json={"steps": 1000}).json()
        assert job["user"] == "ann"
        for path in ("", "/events", "/pictures/0"):
            assert bot.get(f"/v1/jobs/{job['id']}{path}").status_code == 404
        for verb in ("cancel", "retry", "move?place=0"):
            assert bot.post(f"/v1/jobs/{job['id']}/{verb}").status_code == 404
        assert bot.get("/v1/jobs").json()["jobs"] == []
        assert bot.post("/v1/jobs?priority=1", json={}).status_code == 403
        assert [one["id"] for one in root.get("/v1/jobs").json()["jobs"]] == [job["id"]]
        assert root.post(f"/v1/jobs/{job['id']}/cancel").json()["state"] == "cancelled"


def test_wrong_secrets_are_counted_and_right_ones_still_pass() -> None:
    now = [0.0]
    gate = Gate(Users([BOT]), clock=lambda: now[0])
    assert come(gate, authorization=f"Bearer {KEY}") == Caller("bot", admin=False)
    for _ in range(TRIES):
        with pytest.raises(Unauthorised):
            come(gate, authorization="Bearer wrong")
    with pytest.raises(TooManyTries):
        come(gate, authorization="Bearer wrong")
    assert come(gate, authorization=f"Bearer {KEY}").name == "bot"
    with pytest.raises(Unauthorised):
        come(gate, address="10.0.0.2", authorization="Bearer wrong")
    now[0] += 61
    with pytest.raises(Unauthorised):
        come(gate, authorization="Bearer wrong")


@pytest.mark.parametrize(
    "given", ["", "Basic", "Basic !!", "Basic YW5u", "Bearer", "Digest x", "Basic //8=", "Bearer ann"]
)
def test_nonsense_is_nobody(given: str) -> None:
    with pytest.raises(Unauthorised):
        come(Gate(Users([ANN, BOT])), authorization=given)


def test_pages_of_other_sites_are_refused() -> None:
    gate = Gate(origins=("https://friend.example",))
    local = "127.0.0.1:7860"
    assert come(gate, host=local, origin=f"http://{local}") == Caller()
    assert come(gate, host=local, origin="https://friend.example") == Caller()
    for origin in ("http://evil.example", "null", "http://127.0.0.1:9999"):
        with pytest.raises(Forbidden):
            come(gate, host=local, origin=origin)
    with pytest.raises(Forbidden):
        come(gate, host=local, sec_fetch_site="cross-site")


def test_strange_names_are_refused_where_there_are_no_secrets() -> None:
    for host in ("evil.example", "", "127.0.0.1.evil.example", "[::2]:7860"):
        with pytest.raises(Forbidden):
            come(Gate(), method="GET", host=host)
    for host in ("localhost:7860", "127.0.0.1", "[::1]:7860"):
        assert come(Gate(), method="GET", host=host) == Caller()
    assert come(Gate(anywhere=True), method="GET", host="evil.example") == Caller()


def test_local_addresses() -> None:
    assert [is_local(one) for one in ("127.0.0.1", "::1", "localhost", "127.9.9.9")] == [True] * 4
    assert [is_local(one) for one in ("0.0.0.0", "::", "192.168.0.2", "localhost.evil.example")] == [False] * 4


def test_a_site_is_an_origin() -> None:
    assert site("https://Friend.example/") == "https://friend.example"
    for wrong in ("*", "friend.example", "https://friend.example/page", "file:///x"):
        with pytest.raises(BadValue):
            site(wrong)


def test_files_keep_hashes_and_are_their_owners(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "users"
    for one in (ANN, BOT, ROOT):
        add_to(file, one)
    text = file.read_text(encoding="utf-8")
    assert read_users(file) == [ANN, BOT, ROOT] and KEY not in text and "pässword" not in text
    assert file.stat().st_mode & 0o077 == 0
    users = Users(read_users(file))
    assert users.by_password("root", "toor") == Caller("root", admin=True)
    assert users.by_password("ann", "toor") is None and users.by_password("nobody", "toor") is None
    assert users.by_password("bot", KEY) == users.by_key(KEY) == Caller("bot", admin=False)
    assert users.by_password("ann", KEY) is None
    file.write_text("ann:hunter2\n", encoding="utf-8")
    with pytest.raises(BadValue) as raised:
        read_users(file)
    assert "hunter2" not in raised.value.message


def test_secrets_on_the_command_line_are_never_told() -> None:
    assert [one.name for one in spoken(["ann:a:b"], [f"bot:{KEY}"])] == ["ann", "bot"]
    for auth, keys in ((["hunter2"], []), ([], ["bot:short"]), ([":hunter2"], [])):
        with pytest.raises(BadValue) as raised:
            spoken(auth, keys)
        assert "hunter2" not in raised.value.message and "short" not in raised.value.message


def test_answers_carry_headers(url: str) -> None:
    headers = httpx2.get(f"{url}/v1/healthz").headers
    assert headers["x-content-type-options"] == "nosniff" and "access-control-allow-origin" not in headers


def basic(name: str, password: str) -> str:
    return header_of(name, password)


def test_a_right_password_is_no_way_round_the_lock() -> None:
    gate = Gate(Users([ANN, BOT]))
    assert come(gate, authorization=basic("ann", "pässword")).name == "ann"
    for number in range(TRIES):
        with pytest.raises(Unauthorised):
            come(gate, authorization=f"Bearer wrong {number}")
    for password in ("pässword", "wrong"):  # else guessing could go on, by what is remembered
        with pytest.raises(TooManyTries):
            come(gate, authorization=basic("ann", password))
    assert come(gate, address="10.0.0.2", authorization=basic("ann", "pässword")).name == "ann"


def test_what_was_right_here_is_looked_at_again_elsewhere() -> None:
    users = Users([ANN])
    gate = Gate(users)
    given = basic("ann", "pässword")
    come(gate, address="10.0.0.1", authorization=given)
    assert users.remembered(users.mark(given, "10.0.0.1")) == Caller("ann", admin=False)
    assert users.remembered(users.mark(given, "10.0.0.2")) is None


def test_guesses_at_once_are_counted_like_guesses_in_turn() -> None:
    gate = Gate(Users([BOT]))

    async def guess(number: int) -> type[Exception] | None:
        try:
            await gate.known(f"Bearer guess {number}", "10.0.0.1")
        except (Unauthorised, TooManyTries) as error:
            return type(error)
        return None

    async def all_of_them() -> list[type[Exception] | None]:
        return await asyncio.gather(*(guess(number) for number in range(5 * TRIES)))

    assert asyncio.run(all_of_them()).count(Unauthorised) == TRIES


def test_a_page_that_asks_often_at_once_is_one_try() -> None:
    gate = Gate(Users([ANN]))

    async def load() -> list[Caller]:
        return await asyncio.gather(*(gate.known(basic("ann", "pässword"), "10.0.0.1") for _ in range(5 * TRIES)))

    assert asyncio.run(load()) == [Caller("ann", admin=False)] * 5 * TRIES


def test_a_name_costs_as_many_hashes_known_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    users = Users([ANN, with_password("ann", "another"), BOT, ROOT])
    looked: list[str] = []
    monkeypatch.setattr(users, "_fits", lambda digest, password: bool(looked.append(digest)))
    for name in ("ann", "root", "bot", "nobody"):
        assert users.by_password(name, "wrong") is None
        assert len(looked) == 2, name
        looked.clear()


def test_no_secret_is_written_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate(Users([ANN, BOT]))
    with caplog.at_level(0):
        for given in (basic("ann", "hunter2"), basic("hunter2", "pässword"), "Bearer hunter2", "Digest hunter2"):
            with pytest.raises(Unauthorised) as raised:
                come(gate, address="10.9.8.7", authorization=given)
            assert "hunter2" not in raised.value.message
        come(gate, authorization=basic("ann", "pässword"))
        come(gate, authorization=f"Bearer {KEY}")
    ours = [record.getMessage() for record in caplog.records]
    assert any("10.9.8.7" in line for line in ours)
    for secret in ("hunter2", "pässword", KEY, basic("ann", "hunter2").split()[1]):
        assert secret not in caplog.text
