"""Loading without garbage collection: it is off inside and as it was after, whatever happens."""

from __future__ import annotations

import gc
from collections.abc import Generator

import pytest

from easel.core.loading import uncollected


@pytest.fixture(autouse=True)
def as_it_was() -> Generator[None]:
    """Leave collection on for the other tests."""
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.parametrize("on", [True, False])
def test_collection_is_off_inside_and_as_it_was_after(on: bool) -> None:
    (gc.enable if on else gc.disable)()
    with uncollected():
        assert not gc.isenabled()
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled() == on


def test_an_error_brings_collection_back() -> None:
    with pytest.raises(KeyError), uncollected():
        raise KeyError
    assert gc.isenabled()


def test_what_was_loaded_is_not_gone_through_again() -> None:
    with uncollected():
        made = [[] for _ in range(1000)]
    assert gc.get_freeze_count() > len(made)
    kept = {id(one) for one in gc.get_objects()}
    assert not any(id(one) in kept for one in made)
