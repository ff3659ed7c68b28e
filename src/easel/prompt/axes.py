"""What a grid varies: axes in A1111's X/Y/Z words, their values, and the request of each cell.

    Steps=4,8,20    CFG scale=1-9 (+2)    Sampler="Euler a",DPM++ 2M    Prompt S/R=cat,dog,"a fox, red"

An axis is named by A1111's label or by the path of a request's field ("hires.strength"). Knows requests and texts;
draws nothing and knows no registry: a sampler's name is checked where every request is.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

from easel.core.errors import BadValue, RequestError, UnknownName
from easel.core.request import Request

MOST_CELLS = 1024
LONGEST_AXIS = 10_000  # characters

# A1111's labels, and the path of the field that each means.
LABELS = {
    "Seed": "seed",
    "Var. seed": "variation.seed",
    "Var. strength": "variation.strength",
    "Steps": "steps",
    "Hires steps": "hires.steps",
    "CFG Scale": "guidance.scale",
    "CFG rescale": "guidance.rescale",
    "Prompt": "prompt",
    "Negative prompt": "negative_prompt",
    "Sampler": "sampler",
    "Hires sampler": "hires.sampler",
    "Schedule type": "schedule",
    "Checkpoint name": "model",
    "VAE": "components.vae",
    "Distilled CFG Scale": "guidance.distilled",
    "Clip skip": "words.clip_skip",
    "Emphasis": "words.emphasis",
    "Denoising": "start.strength",
    "Hires denoising": "hires.strength",
    "Hires upscaler": "hires.upscaler",
    "Hires scale": "hires.scale",
    "Refiner checkpoint": "refiner.model",
    "Refiner switch at": "refiner.switch_at",
    "Width": "width",
    "Height": "height",
    "RNG source": "noise",
    "ENSD": "ensd",
    "Tiling": "seamless",
    "Mask blur": "mask.blur",
    "Eta": "sampler_options.eta",
    "Sigma Churn": "sampler_options.s_churn",
    "Sigma min": "sampler_options.s_tmin",
    "Sigma max": "sampler_options.s_tmax",
    "Sigma noise": "sampler_options.s_noise",
    "Schedule min sigma": "schedule_options.sigma_min",
    "Schedule max sigma": "schedule_options.sigma_max",
    "Schedule rho": "schedule_options.rho",
}
ALIASES = {"model": "Checkpoint name", "cfg": "CFG Scale", "schedule": "Schedule type", "cfg scale": "CFG Scale"}
INTEGER_RANGE = re.compile(r"\s*([+-]?\d+)\s*-\s*([+-]?\d+)(?:\s*\(([+-]\d+)\s*\)|\s*\[(\d+)\s*\])?\s*")
NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)"
FLOAT_RANGE = re.compile(rf"\s*({NUMBER})\s*-\s*({NUMBER})(?:\s*\(([+-]{NUMBER[5:]})\s*\)|\s*\[(\d+)\s*\])?\s*")

Change = Callable[[Request], Request]


@dataclass(frozen=True, slots=True)
class Axis:
    """One thing that a grid varies: its label, and for each value its own label and what it does to a request."""

    label: str
    values: tuple[str, ...]
    changes: tuple[Change, ...]

    def __len__(self) -> int:
        return len(self.values)


NO_AXIS = Axis("", ("",), (lambda request: request,))


@dataclass(frozen=True, slots=True)
class Grid:
    """The requests of all cells: z by z, in each row by row."""

    x: Axis
    y: Axis
    z: Axis
    requests: tuple[Request, ...]

    def sheet(self, z: int) -> tuple[Request, ...]:
        """Return the cells of one z."""
        size = len(self.x) * len(self.y)
        return self.requests[z * size : (z + 1) * size]


def grid(request: Request, x: Axis = NO_AXIS, y: Axis = NO_AXIS, z: Axis = NO_AXIS) -> Grid:
    """Return the grid of a settled request; every cell keeps its seed unless an axis says otherwise.

    Raises BadValue when there are too many cells or a value does not fit its field.
    """
    cells = len(x) * len(y) * len(z)
    if cells > MOST_CELLS:
        raise BadValue("grid", f"{len(x)} x {len(y)} x {len(z)} cells", f"at most {MOST_CELLS} cells")
    cells_in_order = product(z.changes, y.changes, x.changes)
    found = tuple(change_z(change_y(change_x(request))) for change_z, change_y, change_x in cells_in_order)
    return Grid(x, y, z, found)


def parse_axis(text: str, request: Request) -> Axis:
    """Return the axis of "NAME=VALUES". Raises UnknownName for the name, BadValue for the values."""
    name, equals, given = text.partition("=")
    if not equals or not given.strip() or len(text) > LONGEST_AXIS:
        raise BadValue("axis", text, "NAME=VALUE,VALUE,...", remedy='for example "Steps=4,8,20"')
    name = name.strip()
    folded = name.casefold()
    if folded in ("prompt s/r", "prompt sr", "search and replace"):
        return replacing(values_of(given), request)
    if folded == "prompt order":
        return ordering(values_of(given), request)
    if folded == "size":
        return sizes(values_of(given))
    labels = {label.casefold(): label for label in LABELS}
    label = ALIASES.get(folded) or labels.get(folded, name)
    path = LABELS.get(label, name)
    check_path(path, name)
    values = [value for part in values_of(given) for value in spread(part, path)]
    if len(values) > MOST_CELLS:
        raise BadValue("axis", text, f"at most {MOST_CELLS} values")
    axis = Axis(label, tuple(values), tuple(setting(path, value, label) for value in values))
    for change in axis.changes:
        change(request)
    return axis


def values_of(text: str) -> list[str]:
    """Return the values of a comma-separated list, in which quotes hold commas together."""
    rows = list(csv.reader([" ".join(text.splitlines())], skipinitialspace=True))
    return [value.strip() for row in rows for value in row]


def spread(text: str, path: str) -> list[str]:
    """Return the values of one part: of a range "1-5", "1-9 (+2)" or "0-1 [5]" all, of anything else itself.

    Ranges are read where the field is a number.
    """
    if not numeric(path):
        return [text]
    if found := INTEGER_RANGE.fullmatch(text):
        first, last = int(found[1]), int(found[2])
        if found[4]:
            return [str(round(value)) for value in evenly(first, last, int(found[4]))]
        step = int(found[3] or (1 if last >= first else -1))
        return [str(round(value)) for value in stepped(text, first, last, step)]
    if found := FLOAT_RANGE.fullmatch(text):
        first, last = float(found[1]), float(found[2])
        if found[4]:
            return [shown(value) for value in evenly(first, last, int(found[4]))]
        step = float(found[3] or math.copysign(1, last - first))
        return [shown(value) for value in stepped(text, first, last, step)]
    return [text]


def stepped(text: str, first: float, last: float, step: float) -> list[float]:
    """Return first, first + step ... as far as `last`. Raises BadValue for a range that never ends or is too long."""
    if step == 0 or (last - first) * step < 0 or (last - first) / step >= MOST_CELLS:
        raise BadValue("range", text, f"at most {MOST_CELLS} values with a step towards the end")
    return [first + step * place for place in range(int((last - first) / step + 1e-9) + 1)]


def evenly(first: float, last: float, count: int) -> list[float]:
    """Return `count` values from first to last. Raises BadValue for none or too many."""
    if not 1 <= count <= MOST_CELLS:
        raise BadValue("range", f"[{count}]", f"1 to {MOST_CELLS} values")
    return [first + (last - first) * place / max(count - 1, 1) for place in range(count)]


def shown(value: float) -> str:
    """Return a number of a range without the dust of floating point."""
    return f"{value:.6g}"


def numeric(path: str) -> bool:
    """Return whether the field at `path` may hold a number, so that "1-5" is a range."""
    return path.rpartition(".")[2] not in WORDS_FIELDS


WORDS_FIELDS = {
    "prompt", "negative_prompt", "sampler", "schedule", "model", "upscaler", "emphasis", "noise", "seamless", "resize",
    "fill", "recipe", "channel", "vae",
}  # fmt: skip


def check_path(path: str, name: str) -> None:
    """Raise UnknownName unless `path` leads to a field of a request."""
    head, _, rest = path.partition(".")
    known = tuple(Request.model_fields)
    if head in ("sampler_options", "schedule_options") and rest:
        return
    if head not in known:
        raise UnknownName("axis", name, (*LABELS, "Prompt S/R", "Prompt order", "Size"))
    part = part_type(head)
    if part is not None:
        if rest not in part.model_fields:
            raise UnknownName(f"field of {head}", rest, tuple(part.model_fields))
    elif rest:
        raise UnknownName("axis", name, tuple(LABELS))


def part_type(head: str) -> Any:
    """Return the type of a request's part, None where the field is a plain value."""
    annotation = Request.model_fields[head].annotation
    candidates = getattr(annotation, "__args__", (annotation,))
    return next((kind for kind in candidates if hasattr(kind, "model_fields")), None)


def setting(path: str, value: str, label: str) -> Change:
    """Return the change that puts `value` at `path`; it raises BadValue in the words of the label."""

    def change(request: Request) -> Request:
        head, _, rest = path.partition(".")
        typed = typed_value(value, path)
        whole: Any = typed
        if rest:
            part = getattr(request, head)
            kind = part_type(head)
            if part is None and kind is not None and any(f.is_required() for f in kind.model_fields.values()):
                raise BadValue(f"axis {label}", value, f"used for a request with {head}")
            before: dict[str, Any] = dict(part) if part is not None else {}
            whole = {**before, rest: typed}
        try:
            return request.changed(**{head: whole})
        except RequestError as error:
            if isinstance(error, BadValue):
                raise BadValue(f"axis {label}", value, error.allowed, remedy=error.remedy) from None
            raise

    return change


def typed_value(text: str, path: str) -> Any:
    """Return a value as what it looks like; words stay words."""
    if not numeric(path):
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False, "none": None}.get(text.casefold(), text)


def replacing(values: Sequence[str], request: Request) -> Axis:
    """Return A1111's "Prompt S/R": the first value is looked for, and each value stands in its place once."""
    wanted = values[0]
    if not wanted or not (wanted in request.prompt or wanted in request.negative_prompt):
        raise BadValue("axis Prompt S/R", wanted, "words of the prompt or the negative prompt")

    def change(value: str) -> Change:
        return lambda request: request.changed(
            prompt=request.prompt.replace(wanted, value), negative_prompt=request.negative_prompt.replace(wanted, value)
        )

    return Axis("Prompt S/R", tuple(values), tuple(change(value) for value in values))


def ordering(values: Sequence[str], request: Request) -> Axis:
    """Return A1111's "Prompt order": the given parts of the prompt in every order."""
    if math.factorial(min(len(values), 20)) > MOST_CELLS:
        raise BadValue("axis Prompt order", f"{len(values)} parts", f"at most {MOST_CELLS} orders, so 6 parts")
    for value in values:
        if value not in request.prompt:
            raise BadValue("axis Prompt order", value, "words of the prompt")
    places = sorted(values, key=request.prompt.index)

    def change(order: Sequence[str]) -> Change:
        return lambda request: request.changed(prompt=reordered(request.prompt, places, order))

    orders = list(permutations(values))
    return Axis("Prompt order", tuple(", ".join(order) for order in orders), tuple(change(order) for order in orders))


def reordered(prompt: str, places: Sequence[str], order: Sequence[str]) -> str:
    """Return `prompt` with the parts at `places` standing in another order."""
    done: list[str] = []
    for place, part in zip(places, order, strict=True):
        before, _, prompt = prompt.partition(place)
        done += [before, part]
    return "".join([*done, prompt])


def sizes(values: Sequence[str]) -> Axis:
    """Return the axis of sizes such as 128x192."""

    def change(value: str) -> Change:
        found = re.fullmatch(r"\s*(\d{1,6})\s*[x×]\s*(\d{1,6})\s*", value)
        if not found:
            raise BadValue("axis Size", value, "WIDTHxHEIGHT", remedy="for example 128x192")
        return lambda request: request.changed(width=int(found[1]), height=int(found[2]))

    return Axis("Size", tuple(values), tuple(change(value) for value in values))


def matrix(request: Request) -> Grid:
    """Return A1111's prompt matrix: in "a fox|red|at night" the first part stands always, the others in every choice.

    The first half of the choices runs along x, the rest along y.
    """
    always, *choices = (part.strip() for part in request.prompt.split("|"))
    if not choices:
        raise BadValue(
            "prompt", request.prompt, "parts joined by | for a prompt matrix", remedy='as in "a fox|red|big"'
        )
    if 2 ** min(len(choices), 20) > MOST_CELLS:
        raise BadValue("prompt", f"{len(choices)} choices", f"at most {MOST_CELLS} cells, so 10 choices")
    half = (len(choices) + 1) // 2

    def axis(some: Sequence[str]) -> Axis:
        picks = [
            tuple(c for c, on in zip(some, reversed(bits), strict=True) if on)
            for bits in product((0, 1), repeat=len(some))
        ]
        changes = tuple(adding(pick) for pick in picks)
        return Axis("Prompt", tuple(", ".join(pick) for pick in picks), changes)

    start = request.changed(prompt=always)
    return grid(start, axis(choices[:half]), axis(choices[half:]) if choices[half:] else NO_AXIS)


def adding(words: Sequence[str]) -> Change:
    """Return the change that adds words to the end of a prompt."""
    return lambda request: request.changed(prompt=", ".join([request.prompt, *words]))
