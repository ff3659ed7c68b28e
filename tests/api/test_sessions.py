"""Sessions: a token that nobody can guess or read again, which ends in time."""

from __future__ import annotations

import pickle

from starlette.datastructures import Headers

from easel.api.sessions import (
    IDLE,
    LOCKED,
    LONGEST,
    PER_NAME,
    PLAIN,
    Sessions,
    cookie,
    no_cookies,
    over_https,
    token_in,
)
from easel.core.caller import Caller

ANN, BOB = Caller("ann", admin=False), Caller("bob", admin=True)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_token_stands_for_its_caller_until_it_ends() -> None:
    sessions = Sessions()
    ann, bob = sessions.begin(ANN), sessions.begin(BOB)
    assert (sessions.caller(ann), sessions.caller(bob)) == (ANN, BOB)
    sessions.end(ann)
    sessions.end("never begun")
    assert (sessions.caller(ann), sessions.caller(bob)) == (None, BOB)
    assert sessions.caller("") is None and sessions.caller(bob[:-1]) is None


def test_tokens_are_long_unlike_and_not_kept() -> None:
    sessions = Sessions()
    tokens = {sessions.begin(Caller(str(number))) for number in range(100)}
    assert len(tokens) == 100 and min(map(len, tokens)) * 6 >= 256
    assert all(token.encode() not in pickle.dumps(sessions._known) for token in tokens)


def test_it_ends_when_nobody_uses_it() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    token = sessions.begin(ANN)
    for _ in range(3):
        clock.now += IDLE - 1
        assert sessions.caller(token) == ANN
    clock.now += IDLE + 1
    assert sessions.caller(token) is None
    clock.now -= IDLE  # what has ended does not come back
    assert sessions.caller(token) is None


def test_it_ends_at_last_however_much_it_is_used() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    token = sessions.begin(ANN)
    while clock.now < LONGEST - IDLE / 2:
        clock.now += IDLE / 2
        assert sessions.caller(token) == ANN
    clock.now = LONGEST + 1
    assert sessions.caller(token) is None


def test_nobody_holds_too_many_and_nobody_ends_anothers() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    bob, tokens = sessions.begin(BOB), list[str]()
    for _ in range(PER_NAME + 1):
        clock.now += 1
        tokens.append(sessions.begin(ANN))
    assert sessions.caller(bob) == BOB
    assert [sessions.caller(token) for token in tokens] == [None] + [ANN] * PER_NAME


def test_a_restart_ends_all() -> None:
    assert Sessions().caller(Sessions().begin(ANN)) is None


def test_cookies_are_for_this_server_alone() -> None:
    for made in (cookie("t", True), cookie("t", False), *no_cookies()):
        assert "; HttpOnly" in made and "; SameSite=Lax" in made and "; Path=/;" in made and "Domain" not in made
    assert cookie("t", True).startswith(f"{LOCKED}=t;") and "; Secure" in cookie("t", True)
    assert "Secure" not in cookie("t", False)
    assert all("Max-Age=0;" in gone for gone in no_cookies())


def test_a_plain_cookie_counts_for_nothing_over_https() -> None:
    plain, locked = Headers({"cookie": f"{PLAIN}=a"}), Headers({"cookie": f"x=y; {LOCKED}=b; {PLAIN}=a"})
    assert (token_in(plain, False), token_in(plain, True)) == ("a", "")
    assert (token_in(locked, False), token_in(locked, True)) == ("b", "b")
    assert token_in(Headers({"cookie": "nonsense;;="}), False) == ""


def test_a_tunnels_https_is_known_by_the_browsers_origin() -> None:
    assert over_https(Headers({}), True) and over_https(Headers({"origin": "https://fox.example"}), False)
    assert not over_https(Headers({"origin": "http://fox.example"}), False)
