"""AUTOMATIC1111's scripts by name: those that always run, and those that a call chooses, with their arguments in order.

The tables are what /scripts and /script-info tell. What a chosen script makes of a call stands in chosen.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast

from easel.api.a1111 import clips, detailer, unit
from easel.api.a1111.clips import Clip, clip_in
from easel.api.a1111.detailer import Details, details_in
from easel.api.a1111.unit import Unit, units_in
from easel.api.a1111.wire import Drawing
from easel.core.errors import BadValue, UnknownName, Unsupported
from easel.core.registry import check_kind

Where = Literal["txt2img", "img2img"]
Drawn = TypeVar("Drawn", bound=Drawing)


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a script: its label, its usual value, and its bounds or the words allowed where it has any.

    usual is None for what is taken as it comes.
    """

    label: str
    usual: Any = None
    bounds: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Script:
    """A script: where it can be used, and what it takes."""

    name: str
    arguments: tuple[Argument, ...]
    where: tuple[Where, ...] = ("txt2img", "img2img")


SIDES = ("left", "right", "up", "down")
SCRIPTS = (
    Script(
        "prompt matrix",
        (
            Argument("Put variable parts at start of prompt", False),
            Argument("Use different seed for each picture", False),
            Argument("Select prompt", "positive", choices=("positive", "negative")),
            Argument("Select joining char", "comma", choices=("comma", "space")),
            Argument("Grid margins (px)", 0, (0, 500)),
        ),
    ),
    Script(
        "prompts from file or textbox",
        (
            Argument("Iterate seed every line", False),
            Argument("Use same random seed for all lines", False),
            Argument("Insert prompts at the", "start", choices=("start", "end")),
            Argument("List of prompt inputs", ""),
        ),
    ),
    Script(
        "x/y/z plot",
        (
            *(
                argument
                for axis in "XYZ"
                for argument in (Argument(f"{axis} type"), Argument(f"{axis} values", ""), Argument(f"{axis} values"))
            ),
            Argument("Draw legend", True),
            Argument("Include Sub Images", False),
            Argument("Include Sub Grids", False),
            Argument("Keep -1 for seeds", False),
            Argument("Vary seeds for X", False),
            Argument("Vary seeds for Y", False),
            Argument("Vary seeds for Z", False),
            Argument("Grid margins (px)", 0, (0, 500)),
            Argument("Use text inputs instead of dropdowns", False),
        ),
    ),
    Script(
        "sd upscale",
        (
            Argument(""),
            Argument("Tile overlap", 64, (0, 256)),
            Argument("Upscaler"),
            Argument("Scale Factor", 2.0, (1, 8)),
        ),
        ("img2img",),
    ),
    Script(
        "outpainting mk2",
        (
            Argument(""),
            Argument("Pixels to expand", 128, (8, 256)),
            Argument("Mask blur", 8, (0, 64)),
            Argument("Outpainting direction", list(SIDES), choices=SIDES),
            Argument("Fall-off exponent (lower=higher detail)", 1.0, (0, 4)),
            Argument("Color variation", 0.05, (0, 1)),
        ),
        ("img2img",),
    ),
    Script(
        "poor man's outpainting",
        (
            Argument("Pixels to expand", 128, (8, 256)),
            Argument("Mask blur", 4, (0, 64)),
            Argument("Masked content", "fill"),
            Argument("Outpainting direction", list(SIDES), choices=SIDES),
        ),
        ("img2img",),
    ),
)
ALWAYS = (
    Script("comments", ()),
    Script(
        "refiner",
        (Argument("Refiner", False), Argument("Checkpoint", ""), Argument("Switch at", 0.8, (0, 1))),
    ),
    Script(
        "sampler",
        (
            Argument("Sampling steps", 20, (1, 1000)),
            Argument("Sampling method", "DPM++ 2M"),
            Argument("Schedule type", "Automatic"),
        ),
    ),
    Script(
        "seed",
        (
            Argument("Seed", -1),
            Argument("Extra", False),
            Argument("Variation seed", -1),
            Argument("Variation strength", 0.0, (0, 1)),
            Argument("Resize seed from width", 0),
            Argument("Resize seed from height", 0),
        ),
    ),
    Script(
        "soft inpainting",
        (
            Argument("Soft inpainting", False),
            Argument("Schedule bias", 1.0, (0, 8)),
            Argument("Preservation strength", 0.5, (0, 8)),
            Argument("Transition contrast boost", 4.0, (1, 32)),
            Argument("Mask influence", 0.0, (0, 1)),
            Argument("Difference threshold", 0.5, (0, 8)),
            Argument("Difference contrast", 2.0, (0, 8)),
        ),
        ("img2img",),
    ),
    Script(unit.SCRIPTS[0], tuple(Argument(f"ControlNet Unit {place}") for place in range(3))),
    Script(detailer.SCRIPT, (Argument("Enable ADetailer", True), Argument("Skip img2img", False), Argument("Tab 1"))),
    Script(clips.SCRIPT, (Argument("AnimateDiff"),)),
)
NAMES = {"outpainting mk 2": "outpainting mk2"}

# Scripts that clients send whether or not they use them; true among their arguments says that they do.
ELSEWHERE = ("hypertile", "extra options")
SOFT = (
    "schedule_bias", "preservation", "contrast", "mask_influence", "difference_threshold", "difference_contrast"
)  # fmt: skip


def titled(name: str, among: Sequence[Script], where: Where) -> Script:
    """Return the script of this title, in any case, where it can be used. Raises UnknownName."""
    wanted = NAMES.get(name.strip().casefold(), name.strip().casefold())
    known = {script.name: script for script in among if where in script.where}
    if wanted not in known:
        kind = "always on script" if among is ALWAYS else "script"
        raise UnknownName(f"{kind} of {where}", name, known, listing="GET /sdapi/v1/scripts")
    return known[wanted]


def arguments_of(script: Script, given: Sequence[Any]) -> list[Any]:
    """Return a script's arguments in order, usual ones where they are left out. Raises BadValue."""
    if len(given) > len(script.arguments):
        raise BadValue(f"arguments of {script.name}", len(given), f"at most {len(script.arguments)}")
    values = [*given, *(argument.usual for argument in script.arguments[len(given) :])]
    return [checked(script, *pair) for pair in zip(script.arguments, values, strict=True)]


def checked(script: Script, argument: Argument, value: Any) -> Any:
    """Return a value when it is of the usual one's kind and within bounds; null is the usual one."""
    if value is None or argument.usual is None:
        return argument.usual if value is None else value
    where = f'"{argument.label}" of {script.name}'
    if isinstance(argument.usual, int) and isinstance(value, float) and value.is_integer():
        value = int(value)
    check_kind(where, value, argument.usual)
    if argument.bounds and not argument.bounds[0] <= value <= argument.bounds[1]:
        raise BadValue(where, value, "{:g} to {:g}".format(*argument.bounds))
    if argument.choices and not isinstance(argument.usual, list) and value not in argument.choices:
        raise BadValue(where, value, " or ".join(argument.choices))
    return value


@dataclass(frozen=True, slots=True)
class Additions:
    """What the scripts that always run ask for besides a call's own fields.

    soft: the fields of soft inpainting where it is on. units: of ControlNet. details: of ADetailer.
    clip: of AnimateDiff.
    """

    soft: Mapping[str, Any] | None = None
    units: tuple[tuple[str, Unit], ...] = ()
    details: Details = field(default_factory=Details)
    clip: Clip | None = None


def always_on(wire: Drawn, where: Where) -> tuple[Drawn, Additions]:
    """Return what the scripts that always run make of a call, and what they add to it.

    Raises UnknownName for a script that is not known, Unsupported for one that asks for what Easel has not.
    """
    added: dict[str, Any] = {}
    for name, told in wire.alwayson_scripts.items():
        arguments, known = listed(name, told), name.strip().casefold()
        if known in unit.SCRIPTS:
            added["units"] = (*added.get("units", ()), *units_in(arguments))
            continue
        if known == detailer.SCRIPT:
            added["details"] = details_in(arguments)
            continue
        if known == clips.SCRIPT:
            added["clip"] = clip_in(arguments)
            continue
        if known in ELSEWHERE:
            refuse_in_use(name, arguments)
            continue
        script = titled(name, ALWAYS, where)
        if not arguments:
            continue
        values = arguments_of(script, arguments)
        if script.name == "soft inpainting":
            soft = {str(name): value for name, value in zip(SOFT, values[1:], strict=True)}
            added["soft"] = soft if values[0] else None
        else:
            wire = wire.model_copy(update=CHANGES[script.name](*values))
    return wire, Additions(**added)


def listed(name: str, told: Any) -> list[Any]:
    """Return the arguments of a script that always runs, given alone or as "args". Raises BadValue."""
    given: Any = cast("dict[str, Any]", told).get("args", []) if isinstance(told, dict) else told
    if not isinstance(given, list):
        raise BadValue(f"alwayson_scripts {name}", cast(object, given), '{"args": [...]}')
    return cast("list[Any]", given)


def refuse_in_use(name: str, arguments: Sequence[Any]) -> None:
    """Raise Unsupported where a script that Easel has not is in use."""
    if any(argument is True for argument in arguments):
        raise Unsupported(f"always on script {name!r} cannot be honoured; leave it out or switch it off.")


def refining(on: bool, checkpoint: str, switch_at: float) -> dict[str, Any]:
    """Return the wire fields of the script "Refiner"."""
    return {"refiner_checkpoint": checkpoint if on else None, "refiner_switch_at": switch_at if on else None}


def sampled(steps: int, sampler: str, scheduler: str) -> dict[str, Any]:
    """Return the wire fields of the script "Sampler"."""
    return {"steps": steps, "sampler_name": sampler, "scheduler": scheduler}


def seeded(seed: int, extra: bool, subseed: int, strength: float, width: int, height: int) -> dict[str, Any]:
    """Return the wire fields of the script "Seed"; its second half counts where "Extra" is on."""
    found: dict[str, Any] = {"seed": seed}
    if extra:
        found |= {"subseed": subseed, "subseed_strength": strength}
        found |= {"seed_resize_from_w": width, "seed_resize_from_h": height}
    return found


def unchanged() -> dict[str, Any]:
    """Return no wire fields: comments are taken out of every prompt, as the setting enable_prompt_comments says."""
    return {}


CHANGES = {"comments": unchanged, "refiner": refining, "sampler": sampled, "seed": seeded}


def told(script: Script, where: Where, *, always: bool) -> dict[str, Any]:
    """Return a script as /script-info tells it."""
    return {
        "name": script.name,
        "is_alwayson": always,
        "is_img2img": where == "img2img",
        "args": [
            {
                "label": argument.label,
                "value": argument.usual,
                "minimum": argument.bounds[0] if argument.bounds else None,
                "maximum": argument.bounds[1] if argument.bounds else None,
                "step": None,
                "choices": list(argument.choices) or None,
            }
            for argument in script.arguments
        ],
    }
