"""The options that leave something out: each reaches its field and speaks in its own name."""

from __future__ import annotations

import pytest

from easel.core.passes import Shortcuts
from tests.cli.conftest import Easel
from tests.cli.scripted import ScriptedClient


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], Shortcuts()),
        (["--features-every", "3"], Shortcuts(features_every=3)),
        (["--gate", "0.5"], Shortcuts(gate=0.5)),
        (["--ngms", "2"], Shortcuts(ngms=2)),
        (["--ngms", "2", "--ngms-all"], Shortcuts(ngms=2, ngms_all=True)),
    ],
)
def test_an_option_reaches_its_field(
    easel: Easel, client: ScriptedClient, arguments: list[str], expected: Shortcuts
) -> None:
    assert easel("txt2img", "a fox", *arguments).code == 0
    assert client.requests[0].shortcuts == expected


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--features-every", "0"], "--features-every is 0, allowed is at least 1"),
        (["--gate", "1.5"], "--gate is 1.5, allowed is at most 1"),
        (["--ngms", "-1"], "--ngms is -1.0, allowed is at least 0"),
        (["--ngms-all"], "--ngms-all is True, allowed is given together with ngms"),
    ],
)
def test_trouble_names_the_option(easel: Easel, client: ScriptedClient, arguments: list[str], words: str) -> None:
    ending = easel("txt2img", "a fox", *arguments)
    assert ending.code == 2
    assert words in ending.err
