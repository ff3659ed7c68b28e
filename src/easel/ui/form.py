"""What stands in a tab's controls to a request, and back.

Controls are named by the place of their field in core.Request, such as "guidance.scale"; so a new field needs a control
and nothing here. Four names are no fields: "hires.on", "frames", which are a clip's batch, "styles" and "batch_count".
Knows no widgets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from easel.core.errors import BadValue
from easel.core.motion import FRAMES, Motion
from easel.core.passes import Hires, Refiner
from easel.core.request import Request
from easel.core.settings import Settings
from easel.core.values import Value

Values = Mapping[str, Any]

ON = "hires.on"
CLIP = "frames"
STYLES = "styles"
COUNT = "batch_count"
MOST = 1000  # requests of one press of the button
# A browser shows 0 for a number that was never given, until the form is filled; of these it is none.
NEVER_ZERO = frozenset(("steps", "width", "height", "hires.steps", "hires.width", "hires.height"))
OPTIONS = ("sampler_options", "schedule_options")  # fields whose parts are named by samplers and schedules
# Parts that controls do not show; parts/ has a widget of its own for them.
PARTS = ("controls", "image_prompts", "details", "enlarge", "faces", "background")
OWN = (ON, CLIP, STYLES, COUNT)
# What controls show of a part that a request goes without.
OPTIONAL = {"hires": Hires(), "refiner": Refiner(model=""), "motion": Motion(model="")}


def to_request(values: Values, **more: Any) -> Request:
    """Return the request that controls ask for; what is empty is left to the model. Raises RequestError.

    more: fields that no control has, such as the recipe and pictures.
    """
    given = {name: value for name, value in values.items() if name not in OWN and not silent(value)}
    said = {name: value for name, value in given.items() if value != 0 or not never_zero(name)}
    seed = said.get("seed")
    if isinstance(seed, int | float) and seed < 0:  # how people of A1111 say "any"
        del said["seed"]
    fields = nested(said)
    if not values.get(ON):
        fields.pop("hires", None)
    for part in ("refiner", "motion"):
        if "model" not in fields.get(part, {}):
            fields.pop(part, None)
    if "motion" in fields:
        fields["batch_size"] = values.get(CLIP) or FRAMES
    resize = fields.get("variation", {}).get("resize_from")
    if isinstance(resize, dict):
        fields["variation"]["resize_from"] = (resize.get("0"), resize.get("1", resize.get("0")))
    return Request(**{**fields, **more})


def from_request(request: Request) -> dict[str, Any]:
    """Return what controls show of a request: a value for every field that is neither a picture nor one of PARTS."""
    found = {place: value for place, value in flat(request) if place.partition(".")[0] not in PARTS}
    for name, part in OPTIONAL.items():
        given = getattr(request, name)
        found |= flat(part if given is None else given, f"{name}.")
    del found["variation.resize_from"]  # two controls have it
    first, second = request.variation.resize_from or (None, None)
    found |= {"variation.resize_from.0": first, "variation.resize_from.1": second}
    frames = {CLIP: FRAMES} if request.motion is None else {CLIP: request.batch_size, "batch_size": 1}
    return found | {ON: request.hires is not None, STYLES: [], COUNT: 1} | frames


def requests_of(values: Values, settings: Settings, **more: Any) -> list[Request]:
    """Return the requests of one press of the button: styles laid on, choices made, seeds following one another.

    Raises RequestError.
    """
    from easel.prompt.spoken import spoken
    from easel.prompt.styles import chosen_styles
    from easel.prompt.wildcards import Wildcards

    count = int(values.get(COUNT) or 1)
    if not 1 <= count <= MOST:
        raise BadValue(COUNT, count, f"1 to {MOST}")
    styles = chosen_styles(values.get(STYLES) or (), settings.styles)
    wildcards = Wildcards(settings.wildcards)
    first = to_request(values, **more).settled()
    alike = [first, *(later(first, place * first.batch_size) for place in range(1, count))]
    return [one for request in alike for one in spoken(request, styles=styles, wildcards=wildcards)]


def later(first: Request, offset: int) -> Request:
    """Return a settled request for the pictures that come `offset` pictures after its first."""
    if first.variation.strength:
        return first.changed(variation=first.variation.changed(seed=first.variation_seeds[0] + offset))
    return first.changed(seed=first.seeds[0] + offset)


def silent(value: Any) -> bool:
    """Return whether a control says nothing: empty text, no number, no choice."""
    return value is None or value in ("", [], ())


def never_zero(name: str) -> bool:
    """Return whether 0 is no value of a control."""
    return name in NEVER_ZERO or name.startswith("variation.resize_from.")


def flat(value: Value, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the fields of a value by their places, those of its parts among them; pictures are left out."""
    for name in type(value).model_fields:
        found = getattr(value, name)
        if isinstance(found, Value):
            yield from flat(found, f"{above}{name}.")
        elif isinstance(found, Mapping):
            yield from ((f"{above}{name}.{key}", one) for key, one in found.items())
        elif not isinstance(found, bytes):
            yield f"{above}{name}", list(found) if isinstance(found, tuple) else found


def nested(values: Values) -> dict[str, Any]:
    """Return dotted places as values within values; an option's own name may hold points."""
    fields: dict[str, Any] = {}
    for place, value in values.items():
        at = fields
        *above, last = split(place)
        for name in above:
            at = at.setdefault(name, {})
        at[last] = value
    return fields


def split(place: str) -> list[str]:
    """Return the parts of a place."""
    names = place.split(".")
    depth = next((number for number, name in enumerate(names) if name in OPTIONS), None)
    return names if depth is None else [*names[: depth + 1], ".".join(names[depth + 1 :])]
