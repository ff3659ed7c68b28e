"""Wrong secrets are counted by address and by name, many at once like one after another, and forgotten in time."""

from __future__ import annotations

import pytest

from easel.api.tries import PER_NAME, REMEMBERED, TRIES, WINDOW, Tries, place_of
from easel.core.errors import TooManyTries


def test_an_address_is_locked_out_and_let_in_again() -> None:
    now = [0.0]
    tries = Tries(lambda: now[0])
    for _ in range(TRIES):
        tries.begin("10.0.0.1", None)
        now[0] += 1
    with pytest.raises(TooManyTries) as raised:
        tries.begin("10.0.0.1", None)
    tries.begin("10.0.0.2", None)
    now[0] += raised.value.seconds
    tries.begin("10.0.0.1", None)


def test_a_name_is_locked_out_wherever_the_tries_come_from_known_or_not() -> None:
    tries = Tries(lambda: 0.0)
    for number in range(PER_NAME):
        tries.begin(f"10.0.0.{number}", "ann")
    with pytest.raises(TooManyTries):
        tries.begin("10.0.1.1", "ann")
    tries.begin("10.0.1.1", "bob")


def test_one_address_alone_locks_out_no_name() -> None:
    tries = Tries(lambda: 0.0)
    for _ in range(TRIES):
        tries.begin("10.0.0.1", "ann")
    for _ in range(PER_NAME):
        with pytest.raises(TooManyTries):
            tries.begin("10.0.0.1", "ann")
    tries.begin("10.0.0.2", "ann")


def test_right_ones_are_forgiven() -> None:
    tries = Tries(lambda: 0.0)
    for _ in range(3 * TRIES):
        tries.forgive(tries.begin("10.0.0.1", "ann"))
    for _ in range(TRIES):
        tries.begin("10.0.0.1", "ann")


def test_they_count_from_their_beginning() -> None:
    tries = Tries(lambda: 0.0)
    begun = [tries.begin("10.0.0.1", None) for _ in range(TRIES)]
    with pytest.raises(TooManyTries):
        tries.begin("10.0.0.1", None)
    tries.forgive(begun[0])
    tries.begin("10.0.0.1", None)


def test_the_networks_of_ipv6_count_as_one() -> None:
    assert place_of("2001:db8::1") == place_of("2001:db8::ffff:1") != place_of("2001:db8:0:1::1")
    assert place_of("::ffff:10.0.0.1") != place_of("::ffff:10.0.0.2")
    assert place_of("") != place_of("10.0.0.1")


def test_memory_is_bounded() -> None:
    now = [0.0]
    tries = Tries(lambda: now[0])
    for number in range(REMEMBERED + 10):
        tries.begin(str(number), None)
    assert len(tries._times) == REMEMBERED
    now[0] = WINDOW + 1
    tries.begin("0", None)
