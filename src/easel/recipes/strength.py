"""How many steps a denoising strength is worth: A1111's arithmetic of image to image and of the hires pass.

Knows steps and schedules; does not know where the picture came from.
"""

from __future__ import annotations

from dataclasses import replace

from easel.core.errors import BadValue
from easel.core.limits import MAX_STEPS
from easel.models.family import Model
from easel.recipes.common import Settled
from easel.sampling import sigmas_for

FULL = 0.999  # A1111 takes no strength above it, so that a schedule never begins before its first level


def steps_of(strength: float, steps: int, all_steps: bool = False) -> tuple[int, int]:
    """Return (steps of the schedule, index of the first sigma visited), A1111's setup_img2img_steps.

    strength: 0..1, above 0; the schedule has `steps` steps, of which t + 1 are made, t = int(strength * steps).
    all_steps: make `steps` steps, the last of a schedule that is longer by as much as the strength is below 1.
    """
    if all_steps:
        schedule = int(steps / min(strength, FULL))
        return schedule, schedule - steps
    return steps, steps - int(min(strength, FULL) * steps) - 1


def weakened(settled: Settled, model: Model, strength: float, *, all_steps: bool, field: str) -> Settled:
    """Return `settled` with the sigmas that a pass of this strength visits; none but the last 0 at strength 0.

    field: whose strength this is, for the error where a schedule would have too many steps.
    """
    if strength == 0:
        return replace(settled, sigmas=(0.0,), whole=settled.sigmas)
    steps, first = steps_of(strength, settled.steps, all_steps)
    if steps > MAX_STEPS:
        least = settled.steps / MAX_STEPS
        raise BadValue(f"{field}.strength", strength, f"0 or at least {least:g} with {settled.steps} steps")
    options = settled.request.schedule_options
    whole = sigmas_for(
        settled.sampler, steps, model.levels_at(settled.width, settled.height), settled.schedule, options
    )
    return replace(settled, sigmas=whole[first:], whole=whole)
