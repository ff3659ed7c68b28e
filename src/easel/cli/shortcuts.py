"""The options that leave something out for speed, at a price in the picture. Nothing here draws."""

from __future__ import annotations

from typing import Annotated, Any

from easel.cli.options import option

SPEED = "Faster at a price (docs/speed.md)"


def shortcut_options(
    features_every: Annotated[
        int | None,
        option(SPEED, "--features-every", "N", "Compute all of the U-Net at one of N calls (DeepCache), 1..20 [1]."),
    ] = None,
    gate: Annotated[
        float | None,
        option(SPEED, "--gate", "X", "0..1, share of the steps after which words are not read again (T-GATE) [1]."),
    ] = None,
    ngms: Annotated[
        float | None,
        option(SPEED, "--ngms", "SIGMA", "Below this noise, use --negative at every other call only [0]."),
    ] = None,
    ngms_all: Annotated[bool, option(SPEED, "--ngms-all", None, "With --ngms: at no call.")] = False,
) -> dict[str, Any]:
    """Return the request's field that was given, if any was."""
    from easel.cli import wishes

    found = wishes.without_none(features_every=features_every, gate=gate, ngms=ngms, ngms_all=ngms_all or None)
    return {"shortcuts": found} if found else {}
