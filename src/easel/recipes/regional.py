"""What a detail says of each of its regions, what it loads, and what of it can be refused without a model.

[SEP] parts the prompts of the first, second ... region, [PROMPT] stands for the picture's own and [SKIP] leaves a
region out: ADetailer's words. Knows text and names; finds nothing and paints nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from easel.core.detail import Detail
from easel.core.errors import BadValue
from easel.core.passes import Components
from easel.core.request import Request
from easel.core.work import Wanted, wanted_model
from easel.media.masks import is_black, mask_of
from easel.media.reading import open_image
from easel.sampling import samplers, schedules, split_joint_name

SEPARATOR = re.compile(r"\s*\[SEP\]\s*")
SKIP, PICTURES = "[SKIP]", "[PROMPT]"


@dataclass(frozen=True, slots=True)
class Said:
    """The prompts of one region."""

    prompt: str
    negative_prompt: str


def said_of(detail: Detail, request: Request, count: int) -> list[Said | None]:
    """Return what is said of each of `count` regions, None for one that is left out; the last holds for all after it.

    request: the picture's.
    """
    prompts = SEPARATOR.split(detail.prompt)
    negatives = SEPARATOR.split(detail.negative_prompt)
    found: list[Said | None] = []
    for place in range(count):
        prompt = prompts[min(place, len(prompts) - 1)].strip()
        negative = negatives[min(place, len(negatives) - 1)].strip()
        said = Said(filled(prompt, request.prompt), filled(negative, request.negative_prompt))
        found.append(None if prompt == SKIP else said)
    return found


def filled(text: str, own: str) -> str:
    """Return a region's prompt with the picture's in its place; the picture's own for silence."""
    return text.replace(PICTURES, own) if text else own


def prompts_in(details: tuple[Detail, ...]) -> tuple[list[str], list[str]]:
    """Return all prompts of regions and their negative prompts, as they are written."""
    prompts = [prompt for one in details for prompt in SEPARATOR.split(one.prompt)]
    negatives = [prompt for one in details for prompt in SEPARATOR.split(one.negative_prompt)]
    return [one for one in prompts if one], [one for one in negatives if one]


def wanted_for(detail: Detail) -> list[Wanted]:
    """Return what finding and restoring in regions loads beside models. Raises nothing."""
    found = [Wanted("faces", "")] if detail.by == "faces" else []
    found += [Wanted("detector", detail.find)] if detail.by == "model" else []
    if detail.faces is not None and detail.faces.visibility > 0:
        found += [Wanted("restorer", detail.faces.restorer), Wanted("faces", "")]
    return found


def models_for(detail: Detail, request: Request) -> list[Wanted]:
    """Return the model that a detail wants of its own, none where it works with the picture's."""
    if detail.model is None and detail.components is None:
        return []
    picture = request.components if detail.model is None else Components()
    return [wanted_model(detail.model or request.model, detail.components or picture)]


def check_details(request: Request) -> None:
    """Raise UnknownName or BadValue for what can be told of details without a model."""
    for place, one in enumerate(request.details):
        if one.sampler is not None:
            samplers[split_joint_name(one.sampler)[0]]
        if one.schedule is not None:
            schedules[one.schedule]
        if one.mask is not None and one.by != "mask":
            raise BadValue(f"details[{place}].mask", "given", f'left out where regions are found by "{one.by}"')
        if one.classes and one.by != "model":
            raise BadValue(f"details[{place}].classes", one.classes, 'left out where by is not "model"')
        if one.mask is not None and is_black(mask_of(open_image(one.mask, f"details[{place}].mask"), "light")):
            raise BadValue(f"details[{place}].mask", "black everywhere", "a mask with white in it")
