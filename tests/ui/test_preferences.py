"""What users want forms to begin with: kept for each, where it differs, and never what cannot be asked for."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.core.caller import Caller
from easel.core.errors import BadValue
from easel.ui.form import to_request
from easel.ui.house import House
from easel.ui.preferences import REALM, keep, possible, usual, wanted
from tests.ui.houses import house_in

ANNA, BERT = Caller("anna", False), Caller("bert", False)


@pytest.fixture
def house(tmp_path: Path) -> Generator[House]:
    with house_in(tmp_path) as made:
        yield made


def test_what_differs_is_kept_for_its_user_alone(house: House) -> None:
    assert keep(house, ANNA, {**usual(), "steps": 12, "guidance.scale": 4.5, "negative_prompt": "blurry"}) == 3
    assert wanted(house, ANNA) == {"steps": 12, "guidance.scale": 4.5, "negative_prompt": "blurry"}
    assert wanted(house, BERT) == {}


def test_what_is_as_usual_is_taken_back(house: House) -> None:
    keep(house, ANNA, {"steps": 12, "noise": "NV"})
    assert keep(house, ANNA, {"steps": None, "noise": "NV"}) == 1
    assert wanted(house, ANNA) == {"noise": "NV"}
    assert keep(house, ANNA, usual()) == 0
    assert house.store.options("anna", REALM) == {}


@pytest.mark.parametrize(("place", "value"), [("steps", -3), ("width", 70), ("noise", "TV"), ("guidance.start", 2)])
def test_what_nobody_could_ask_for_changes_nothing(house: House, place: str, value: object) -> None:
    keep(house, ANNA, {"steps": 12})
    with pytest.raises(BadValue, match=place.rpartition(".")[2]):
        keep(house, ANNA, {"height": 64, place: value})
    assert wanted(house, ANNA) == {"steps": 12}


def test_what_another_version_kept_is_passed_over(house: House) -> None:
    house.store.set_options("anna", REALM, {"sharpness": 3, "steps": "many", "width": 64})
    assert wanted(house, ANNA) == {"width": 64}


@given(
    st.dictionaries(st.sampled_from(sorted(usual())), st.none() | st.booleans() | st.integers() | st.text(), max_size=4)
)
def test_whatever_was_kept_a_form_can_begin_with_it(values: dict[str, object]) -> None:
    to_request({**usual(), **dict(possible(values))})
