"""The refiner: a second model that takes over below a noise level.

Knows A1111's rule for when; the pass asks who leads at every evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import replace
from typing import Any

from easel.core.errors import Unsupported
from easel.core.request import Request
from easel.core.work import Load, Wanted, Work
from easel.models.family import Model
from easel.prompt.fields import Fields
from easel.recipes.leads import encode
from easel.recipes.passes import Leader, Pass
from easel.sampling import Levels


def load_refiner(request: Request, model: Model) -> Generator[Work, Any, Model | None]:
    """Ask for the refiner's model, None where none is wanted. Raises Unsupported for one that cannot take over."""
    if request.refiner is None:
        return None
    refiner: Model = yield Load(Wanted("model", request.refiner.model))
    trouble = {
        "their latents differ": model.latent != refiner.latent,
        "their noise paths differ": model.path != refiner.path,
        "one of them is for inpainting": model.inpaints != refiner.inpaints,
    }
    for words, there in trouble.items():
        if there:
            raise Unsupported(f"{refiner.name!r} cannot refine for {model.name!r}: {words}; choose another.")
    return refiner


def refined(one: Pass, refiner: Model | None, *, base_calls: int | None = None) -> Generator[Work, Any, Pass]:
    """Return a pass with the refiner and the words encoded for it; unchanged where there is none.

    base_calls: calls of the first pass, where this is the second. Networks are made for the model; a refiner with
    other parts, as Stable Diffusion XL's own is, works without them.
    """
    wanted = one.settled.request.refiner
    if refiner is None or wanted is None:
        return one
    request, calls, model = one.settled.request, one.settled.calls, one.leader.model
    lead = yield from encode(
        request, refiner, calls, base_calls=base_calls, networks=reads_as(refiner) == reads_as(model)
    )
    switch = switch_below(model.levels, wanted.switch_at)
    return replace(one, refiner=Leader(refiner, lead), switch=switch)


def reads_as(model: Model) -> set[str]:
    """Return the names of a model's text encoders and denoiser, by which families differ."""
    return {name for name in model.parts if not name.startswith("vae")}


def switch_below(levels: Levels, switch_at: float) -> float:
    """Return the sigma below which a refiner leads that takes over at this share of the model's time, 0..1.

    A1111's rule: it leads where (999 - t) / 1000 is at least `switch_at`, t being the whole time step whose sigma is
    nearest. 0 is no sigma, inf is all.
    """
    if not levels.table:
        return math.nextafter(1 - switch_at, 1) if switch_at < 1 else 0.0
    count = len(levels.table)
    leading = sum((count - 1 - t) / count >= switch_at for t in range(count))  # time steps 0, 1 ... of the refiner
    if leading in (0, count):
        return math.inf if leading else 0.0
    return (levels.table[leading - 1] + levels.table[leading]) / 2


def refiner_fields(request: Request, refiner: Model | None) -> Fields:
    """Return what infotext says of a refiner."""
    if request.refiner is None or refiner is None:
        return {}
    return {"Refiner": refiner.name, "Refiner switch at": request.refiner.switch_at}
