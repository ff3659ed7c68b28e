"""The laws of the registry: what it was given it finds, by any spelling, and nothing else."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.core.errors import BadValue, UnknownName
from easel.core.registry import Registry


def euler(x: float, *, churn: float = 0.0, order: int = 1, restart: bool = False, kind: str = "ode") -> float:
    """A maker with one option of each kind."""
    return x + churn + order + restart + len(kind)


@pytest.fixture
def samplers() -> Registry[Any]:
    registry: Registry[Any] = Registry("sampler")
    registry.register("Euler", aliases=("k_euler", "sample_euler"), family="ode")(euler)
    registry.register("Heun")(lambda x: x)
    return registry


@pytest.mark.parametrize("name", ["Euler", "euler", " EULER ", "k_euler", "Sample_Euler"])
def test_case_space_and_aliases_do_not_count(samplers: Registry[Any], name: str) -> None:
    assert samplers[name].name == "Euler"
    assert name in samplers


def test_listing_keeps_the_order_and_leaves_aliases_out(samplers: Registry[Any]) -> None:
    assert samplers.names == ("Euler", "Heun")
    assert [entry.name for entry in samplers] == ["Euler", "Heun"]
    assert len(samplers) == 2


def test_facts_stand_beside_the_maker(samplers: Registry[Any]) -> None:
    entry = samplers["euler"]
    assert entry.facts["family"] == "ode"
    assert entry.make is euler


@given(st.text())
def test_an_unknown_name_never_becomes_another(name: str) -> None:
    registry: Registry[Any] = Registry("sampler", listing="`easel models samplers`")
    registry.register("Euler")(euler)
    if name.strip().casefold() == "euler":
        return
    assert name not in registry
    with pytest.raises(UnknownName) as caught:
        registry[name]
    assert caught.value.got == name


def test_keyword_only_arguments_are_the_options(samplers: Registry[Any]) -> None:
    options = samplers["Euler"].options
    assert {name: option.default for name, option in options.items()} == {
        "churn": 0.0,
        "order": 1,
        "restart": False,
        "kind": "ode",
    }
    assert options["churn"].type == "float"


def test_hidden_options_are_neither_shown_nor_taken() -> None:
    registry: Registry[Any] = Registry("sampler")
    registry.register("Euler", hidden=("churn",))(euler)
    assert "churn" not in registry["Euler"].options
    with pytest.raises(UnknownName):
        registry["Euler"].checked({"churn": 0.5})


def test_good_options_pass_as_they_are(samplers: Registry[Any]) -> None:
    given = {"churn": 1, "order": 2, "restart": True, "kind": "sde"}
    assert samplers["Euler"].checked(given) == given


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("churn", math.nan),
        ("churn", math.inf),
        ("churn", True),
        ("churn", "1"),
        ("order", 1.0),
        ("order", True),
        ("restart", 1),
        ("kind", None),
    ],
)
def test_a_value_of_another_kind_is_refused(samplers: Registry[Any], option: str, value: object) -> None:
    with pytest.raises(BadValue, match=f"option {option} of Euler"):
        samplers["Euler"].checked({option: value})


def test_an_unknown_option_names_the_nearest(samplers: Registry[Any]) -> None:
    with pytest.raises(UnknownName, match="nearest 'churn'"):
        samplers["Euler"].checked({"s_churn": 0.5})


@pytest.mark.parametrize("aliases", [("Euler",), ("K_EULER",), ("heun ",)])
def test_no_name_is_given_twice(samplers: Registry[Any], aliases: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="registered twice"):
        samplers.register("New", aliases=aliases)(euler)


def test_a_refused_registration_leaves_nothing_behind(samplers: Registry[Any]) -> None:
    with pytest.raises(ValueError, match="registered twice"):
        samplers.register("New", aliases=("newest", "euler"))(euler)
    assert "New" not in samplers
    assert "newest" not in samplers


def test_an_option_without_a_default_is_a_fault_of_the_maker() -> None:
    def broken(x: float, *, churn: float) -> float:
        return x + churn

    with pytest.raises(ValueError, match="no default"):
        Registry[Any]("sampler").register("Broken")(broken)
