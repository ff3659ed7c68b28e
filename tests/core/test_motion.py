"""The part of a request that makes a clip: its ranges, and errors that name it."""

from __future__ import annotations

from typing import Any

import pytest

from easel.core.errors import BadValue
from easel.core.motion import Motion
from easel.core.request import Request


@pytest.mark.parametrize(
    ("field", "value"), [("strength", -0.1), ("strength", 2.1), ("fps", 0), ("fps", 61), ("format", "avi")]
)
def test_what_is_beyond_its_range_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(BadValue, match=rf"motion\.{field} is "):
        Request(motion={"model": "mm", field: value})


def test_a_module_must_be_named() -> None:
    with pytest.raises(BadValue, match=r"motion\.model is "):
        Request(motion={})


def test_it_travels_as_json() -> None:
    request = Request(batch_size=16, motion=Motion(model="mm", fps=12, format="mp4"))
    assert Request.model_validate_json(request.model_dump_json()) == request
