"""What users set outlives the server, is each one's own, and nobody's setting undoes another's."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from easel.core.errors import BadValue
from easel.jobs.options import LONGEST_VALUE, MOST
from easel.jobs.store import Store


def test_what_is_set_outlives_the_store(url: str, store: Store, opened: Callable[..., Store]) -> None:
    given = {"sd_vae": "kl-f8", "eta": 0.5, "tiling": True, "names": ["a", 'b"'], "words": "\N{CAT FACE} 고양이"}
    store.set_options("anna", "a1111", given)
    store.set_options("anna", "page", {"theme": "dark"})
    store.set_options("anna", "a1111", {"eta": 0.25, "tiling": None, "never": None})
    store.close()
    again = opened(url)
    assert again.options("anna", "a1111") == {name: value for name, value in given.items() if name != "tiling"} | {
        "eta": 0.25
    }
    assert again.options("anna", "page") == {"theme": "dark"}
    assert again.options("bert", "a1111") == {}


def test_many_who_set_at_once_lose_nothing(url: str, opened: Callable[..., Store]) -> None:
    stores = [opened(url), opened(url)]

    def set_some(store: Store, first: int) -> None:
        for number in range(first, 20, 4):
            store.set_options("anna", "page", {f"n{number}": number})

    threads = [threading.Thread(target=set_some, args=(stores[at % 2], at)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stores[0].options("anna", "page") == {f"n{number}": number for number in range(20)}


def test_what_is_too_much_is_refused_whole(store: Store) -> None:
    store.set_options("anna", "page", {"kept": 1})
    for wrong in ({"": 1}, {"x" * 101: 1}, {"a": 1, "b": "x" * LONGEST_VALUE}, {f"n{at}": 1 for at in range(MOST)}):
        with pytest.raises(BadValue):
            store.set_options("anna", "page", wrong)
    assert store.options("anna", "page") == {"kept": 1}
