"""A whole call to the requests of its pictures: the batch, and what the script that it names makes of it.

Grids become cells that share forwards like any other requests; their sheets are drawn from what comes back.
"""

from __future__ import annotations

import csv
import io
import random
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from easel.api.a1111.asked import Fields, cut, made, text_fields
from easel.api.a1111.clips import Clip
from easel.api.a1111.detailer import detail_of
from easel.api.a1111.options import USUAL, Options, checked
from easel.api.a1111.painting import image_fields
from easel.api.a1111.prompts import joined, lines_of
from easel.api.a1111.scripts import SCRIPTS, SIDES, Additions, Where, always_on, arguments_of, titled
from easel.api.a1111.units import shown_places, unit_fields
from easel.api.a1111.wire import Drawing, ImageToImage, TextToImage
from easel.core.errors import BadValue, UnknownName, Unsupported
from easel.core.request import RANDOM_SEEDS, Request
from easel.post.upscalers import PIXELS, upscalers
from easel.prompt.axes import NO_AXIS, Axis, Grid, matrix, parse_axis
from easel.prompt.axes import grid as grid_of
from easel.prompt.expand import NO_WILDCARDS
from easel.prompt.spoken import spoken
from easel.prompt.styles import Style, named
from easel.prompt.wildcards import Wildcards

MOST_PICTURES = 1000  # of one call
MOST_LINES = 1000  # of "Prompts from file or textbox"

AXES = (
    "Nothing", "Seed", "Var. seed", "Var. strength", "Steps", "Hires steps", "CFG Scale", "Image CFG Scale",
    "Prompt S/R", "Prompt order", "Sampler", "Hires sampler", "Sampler", "Checkpoint name",
    "Negative Guidance minimum sigma", "Sigma Churn", "Sigma min", "Sigma max", "Sigma noise", "Schedule type",
    "Schedule min sigma", "Schedule max sigma", "Schedule rho", "Beta schedule alpha", "Beta schedule beta", "Eta",
    "Clip skip", "Denoising", "Initial noise multiplier", "Extra noise", "Hires upscaler", "Cond. Image Mask Weight",
    "VAE", "Styles", "UniPC Order", "Face restore", "Token merging ratio", "Token merging ratio high-res",
    "Always discard next-to-last sigma", "SGM noise multiplier", "Refiner checkpoint", "Refiner switch at",
    "RNG source", "FP8 mode", "Size",
)  # fmt: skip
ONLY_IN: Mapping[str, Where] = {
    "Hires steps": "txt2img", "Hires sampler": "txt2img", "Hires upscaler": "txt2img",
    "Image CFG Scale": "img2img", "Cond. Image Mask Weight": "img2img",
}  # fmt: skip
FIELD_OF_AXIS = {
    "initial noise multiplier": "start.noise_multiplier",
    "extra noise": "start.extra_noise",
    "cond. image mask weight": "mask.weight",
    "beta schedule alpha": "schedule_options.alpha",
    "beta schedule beta": "schedule_options.beta",
    "unipc order": "sampler_options.order",
    "negative guidance minimum sigma": "shortcuts.ngms",
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """How the cells of a grid are shown. cells: whether they stand in the answer too. gap: pixels between them."""

    grid: Grid
    cells: bool
    labels: bool = True
    gap: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call asks for: requests in the order of their pictures, and the sheet to make of them.

    options: the settings in force for it. hints: places among the controls of each whose hints are to be shown.
    clip: what its pictures are the frames of.
    """

    wire: Drawing
    requests: tuple[Request, ...]
    options: Options
    sheet: Sheet | None = None
    hints: tuple[int, ...] = ()
    clip: Clip | None = None


def asked(
    wire: Drawing,
    options: Options | None = None,
    styles: Mapping[str, Style] | None = None,
    wildcards: Wildcards = NO_WILDCARDS,
) -> Asked:
    """Return what a call asks for. Raises RequestError that names the field.

    options: what the caller has set. styles: all that there are, by name.
    """
    given = {**USUAL, **(options or {}), **checked(wire.override_settings or {})}
    where = where_of(wire)
    wire, added = always_on(wire, where)
    translate = Translation(given, styles or {}, added)
    if wire.script_name and wire.script_name.casefold() != "none":
        if added.clip is not None:
            raise Unsupported(f"AnimateDiff with the script {wire.script_name!r} cannot be honoured; choose one.")
        script = titled(wire.script_name, SCRIPTS, where)
        requests, sheet = RUNS[script.name](wire, translate, *arguments_of(script, wire.script_args))
    else:
        requests, sheet = translate.series(wire), None
    pictures = sum(request.batch_size for request in requests)
    if pictures > MOST_PICTURES:
        raise BadValue("pictures of one call", pictures, f"at most {MOST_PICTURES}", remedy="ask in several calls")
    drawn = [one for request in requests for one in spoken(request, wildcards=wildcards)]
    return Asked(wire, tuple(drawn), given, sheet, shown_places(added.units), added.clip)


def where_of(wire: Drawing) -> Where:
    """Return the route that a body is for."""
    return "img2img" if isinstance(wire, ImageToImage) else "txt2img"


@dataclass(frozen=True, slots=True)
class Translation:
    """From a body to requests, with what the caller's settings and the scripts that always run say."""

    options: Options
    styles: Mapping[str, Style]
    added: Additions

    def fields(self, wire: Drawing) -> list[Fields]:
        """Return the fields of each request of one batch: of one request, or of one for each picture to begin from."""
        styles = [named(name, self.styles) for name in wire.styles or ()]
        if isinstance(wire, ImageToImage):
            found = image_fields(wire, self.options, styles, self.added.soft)
        else:
            assert isinstance(wire, TextToImage)
            found = [text_fields(wire, self.options, styles)]
        if self.added.clip is not None:
            found = [fields | self.added.clip.fields for fields in found]
        if self.added.details.skip and isinstance(wire, ImageToImage):
            without_mask(wire, "ADetailer with skip_img2img")
            return [self.details_alone(wire, fields) for fields in found]
        return [fields | self.leads(wire, fields) | self.details(wire, fields) for fields in found]

    def leads(self, wire: Drawing, fields: Fields) -> Fields:
        """Return what leads the request of these fields beside its words."""
        start = fields["start"]["image"] if "start" in fields else None
        cropped = isinstance(wire, ImageToImage) and wire.mask is not None and wire.inpaint_full_res
        return unit_fields(self.added.units, start, hires="hires" in fields, cropped=cropped)

    def details(self, wire: Drawing, fields: Fields) -> Fields:
        """Return the regions to work over; where the picture is larger than the call's size, at the call's size."""
        size = (cut(wire.width), cut(wire.height)) if "hires" in fields else None
        tabs = self.added.details.tabs
        return {"details": tuple(detail_of(name, tab, self.options, size) for name, tab in tabs)}

    def details_alone(self, wire: Drawing, fields: Fields) -> Fields:
        """Return the fields of a request that works regions of its picture over and does nothing else with it."""
        size = cut(wire.width), cut(wire.height)
        details = tuple(detail_of(name, tab, self.options, size) for name, tab in self.added.details.tabs)
        start = {"image": fields["start"]["image"]}
        return fields | {"recipe": "detail", "start": start, "details": details, "width": None, "height": None}

    def series(self, wire: Drawing, **more: Any) -> list[Request]:
        """Return the requests of n_iter batches, whose seeds follow one another. more: fields over the wire's."""
        if wire.batch_size * wire.n_iter > MOST_PICTURES:
            raise BadValue("n_iter", wire.n_iter, f"at most {MOST_PICTURES} pictures in one call")
        each = [{**fields, **more} for fields in self.fields(wire)]
        first = made(each[0])
        alike = [first, *(made({**fields, **seeds_of(first)}) for fields in each[1:])]
        size = sum(request.batch_size for request in alike)
        return [
            following(request, batch * size + place)
            for batch in range(wire.n_iter)
            for place, request in enumerate(alike)
        ]

    def one(self, wire: Drawing) -> Request:
        """Return the one request that a grid varies. Raises BadValue for more than one picture."""
        if wire.batch_size * wire.n_iter > 1:
            pictures = wire.batch_size * wire.n_iter
            raise BadValue("batch_size and n_iter", pictures, "one picture in a cell of a grid", remedy="vary the seed")
        return self.series(wire)[0]


def seeds_of(request: Request) -> Fields:
    """Return the seeds of a settled request as fields."""
    return {"seed": request.seed, "variation": request.variation}


def following(request: Request, offset: int) -> Request:
    """Return a settled request for the pictures that come `offset` after its first."""
    if not offset:
        return request
    if request.variation.strength:
        return request.changed(variation=request.variation.changed(seed=request.variation_seeds[0] + offset))
    return request.changed(seed=request.seeds[0] + offset)


Ran = tuple[list[Request], Sheet | None]


def prompt_matrix(
    wire: Drawing, translate: Translation, at_start: bool, different_seeds: bool, which: str, joint: str, gap: int
) -> Ran:
    """Return the cells of "Prompt matrix"; batches only tell A1111 how many to draw at once, so they do not count."""
    if at_start or which != "positive" or joint != "comma":
        raise Unsupported(
            'arguments of "prompt matrix" can be honoured where choices follow the prompt, joined by commas; '
            "leave the first false, the third positive and the fourth comma."
        )
    request = translate.series(wire.model_copy(update={"batch_size": 1, "n_iter": 1}))[0]
    grid = matrix(request)
    cells = list(grid.requests)
    if different_seeds:
        cells = [following(cell, place) for place, cell in enumerate(cells)]
    return cells, Sheet(grid, cells=True, gap=gap)


def prompts_from_file(
    wire: Drawing, translate: Translation, iterate: bool, same: bool, position: str, text: str
) -> Ran:
    """Return the requests of each line of "Prompts from file or textbox"."""
    if (iterate or same) and wire.seed == -1:
        wire = wire.model_copy(update={"seed": random.randrange(RANDOM_SEEDS)})
    lines = lines_of(text)
    if len(lines) > MOST_LINES:
        raise BadValue("script_args prompts", f"{len(lines)} lines", f"at most {MOST_LINES}")
    found: list[Request] = []
    for place, line in enumerate(lines):
        own = wire.model_copy(update={**line_fields(line, wire, place + 1), "script_name": None})
        if not line.startswith("--"):
            own = own.model_copy(
                update={
                    "prompt": joined(line, wire.prompt, position),
                }
            )
        if iterate and own.seed == wire.seed:
            own = own.model_copy(update={"seed": wire.seed + place * wire.batch_size * wire.n_iter})
        found += translate.series(own)
        if sum(request.batch_size for request in found) > MOST_PICTURES:
            raise BadValue("script_args prompts", f"{len(lines)} lines", f"at most {MOST_PICTURES} pictures in a call")
    return found, None


LINE_FIELDS = (
    "prompt", "negative_prompt", "styles", "seed", "subseed", "subseed_strength", "seed_resize_from_w",
    "seed_resize_from_h", "sampler_name", "scheduler", "batch_size", "n_iter", "steps", "cfg_scale", "width", "height",
    "tiling", "restore_faces", "do_not_save_samples", "do_not_save_grid",
)  # fmt: skip


def line_fields(line: str, wire: Drawing, number: int) -> dict[str, Any]:
    """Return the wire fields that a line's options set, checked as a body's are. Raises UnknownName or BadValue."""
    if not line.startswith("--"):
        return {}
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise BadValue(f"line {number}", line, "options with their quotes closed", remedy=str(error)) from None
    found: dict[str, Any] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name = word[2:]
            if name == "sd_model":
                raise Unsupported(f"--sd_model on line {number} cannot be honoured; use override_settings.")
            if name not in LINE_FIELDS:
                raise UnknownName(f"option on line {number}", name, LINE_FIELDS)
            found[name] = ""
        else:
            found[name] = f"{found[name]} {word}".strip()
    if "styles" in found:
        found["styles"] = found["styles"].split(",")
    try:
        checked_line = type(wire)(**found)
    except ValueError:
        raise BadValue(f"line {number}", line, "options with values of their kind") from None
    return {name: getattr(checked_line, name) for name in found}


def plot(wire: Drawing, translate: Translation, *arguments: Any) -> Ran:
    """Return the cells of "X/Y/Z plot"."""
    kinds, texts, lists = arguments[0:9:3], arguments[1:9:3], arguments[2:9:3]
    legend, cells_too, _, keep_random, vary_x, vary_y, vary_z, gap, _ = arguments[9:]
    request = translate.one(wire)
    x, y, z = (
        axis_of(kind, text, values, request, where_of(wire))
        for kind, text, values in zip(kinds, texts, lists, strict=True)
    )
    grid = grid_of(request, x, y, z)
    wide, high = len(x) if vary_x else 1, len(y) if vary_y else 1
    cells: list[Request] = []
    for place, cell in enumerate(grid.requests):
        column, row, depth = place % len(x), place // len(x) % len(y), place // (len(x) * len(y))
        offset = vary_x * column + vary_y * row * wide + vary_z * depth * wide * high
        if keep_random and wire.seed == -1 and cell.seed == request.seed:
            cell = cell.changed(seed=random.randrange(RANDOM_SEEDS))
        cells.append(following(cell, offset))
    return cells, Sheet(grid, cells=cells_too, labels=legend, gap=gap)


def axis_of(kind: Any, text: str, values: Any, request: Request, where: Where) -> Axis:
    """Return one axis of a plot. Raises UnknownName for what cannot be varied.

    kind: its label, or its place among those of txt2img or img2img. values: those chosen from a list, if any.
    """
    labels = labels_in(where)
    if isinstance(kind, int | float) and not isinstance(kind, bool):
        if not 0 <= kind < len(labels):
            raise BadValue("axis of x/y/z plot", kind, f"0 to {len(labels) - 1}")
        kind = labels[int(kind)]
    label = str(kind or "Nothing").strip()
    if label.casefold() == "nothing":
        return NO_AXIS
    if not text.strip() and isinstance(values, Sequence):
        text = values if isinstance(values, str) else csv_line(values)  # pyright: ignore[reportUnknownArgumentType]
    path = FIELD_OF_AXIS.get(label.casefold(), label)
    if label.casefold() == "denoising" and request.hires is not None:
        path = "hires.strength"
    return parse_axis(f"{path}={text}", request)


def labels_in(where: Where) -> list[str]:
    """Return the labels of the axes that a route has, in A1111's order; each route has a "Sampler" of its own."""
    twice = AXES.index("Sampler"), AXES.index("Sampler") + 2
    own = twice[1] if where == "txt2img" else twice[0]
    return [label for place, label in enumerate(AXES) if ONLY_IN.get(label, where) == where and place != own]


def csv_line(values: Sequence[Any]) -> str:
    """Return values as one line, quoted where they hold commas."""
    text = io.StringIO()
    csv.writer(text).writerow(values)
    return text.getvalue().strip()


def sd_upscale(wire: Drawing, translate: Translation, _: Any, overlap: int, upscaler: Any, scale: float) -> Ran:
    """Return the requests of "SD upscale": tiles of the size asked for."""
    names = [entry.name for entry in upscalers if entry.facts["works_on"] == PIXELS]
    if isinstance(upscaler, int) and not isinstance(upscaler, bool):
        if not 0 <= upscaler < len(names):
            raise BadValue("upscaler of sd upscale", upscaler, f"0 to {len(names) - 1}, or a name: {', '.join(names)}")
        upscaler = names[upscaler]
    without_mask(wire, "sd upscale")
    tiles = {"scale": scale, "upscaler": str(upscaler or "None"), "overlap": overlap // 8 * 8}
    return translate.series(wire, recipe="tiled_upscale", tiles=tiles), None


def outpainting(
    wire: Drawing, translate: Translation, _: Any, pixels: int, blur: int, sides: Any, exponent: float, colour: float
) -> Ran:
    """Return the requests of "Outpainting mk2", whose way of making noise is not ours."""
    if exponent != 1 or colour != 0.05:
        raise Unsupported(
            'fall-off exponent and color variation of "outpainting mk2" cannot be honoured; leave them at 1.0 and 0.05.'
        )
    return grown(wire, translate, pixels, blur, sides)


def poor_outpainting(wire: Drawing, translate: Translation, pixels: int, blur: int, fill: Any, sides: Any) -> Ran:
    """Return the requests of "Poor man's outpainting", whose new parts begin from the old ones mirrored."""
    if fill not in ("fill", 0):
        raise Unsupported('masked content of "poor man\'s outpainting" cannot be honoured; leave it at "fill".')
    return grown(wire, translate, pixels, blur, sides)


def grown(wire: Drawing, translate: Translation, pixels: int, blur: int, sides: Any) -> Ran:
    """Return requests that grow a picture by so many pixels on each of some sides; its own size stays."""
    chosen = [sides] if isinstance(sides, str) else list(sides)
    for side in chosen:
        if side not in SIDES:
            raise UnknownName("outpainting direction", str(side), SIDES)
    without_mask(wire, "outpainting")
    ours = {"left": "left", "right": "right", "up": "top", "down": "bottom"}
    outpaint = {**{ours[side]: cut(pixels) for side in chosen}, "feather": blur}
    return translate.series(wire, recipe="outpaint", outpaint=outpaint, width=None, height=None), None


def without_mask(wire: Drawing, script: str) -> None:
    """Raise Unsupported where a script that paints by itself is given a mask."""
    if isinstance(wire, ImageToImage) and wire.mask is not None:
        raise Unsupported(f"mask cannot be honoured together with the script {script}; leave it out.")


RUNS: Mapping[str, Callable[..., Ran]] = {
    "prompt matrix": prompt_matrix,
    "prompts from file or textbox": prompts_from_file,
    "x/y/z plot": plot,
    "sd upscale": sd_upscale,
    "outpainting mk2": outpainting,
    "poor man's outpainting": poor_outpainting,
}
