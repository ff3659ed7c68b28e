"""What leads a pass by pictures: control models, references, and pictures in the place of words, made ready once.

Knows requests and what hints are drawn of; adapters know what leads, and passes when.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from PIL.Image import Image

from easel.adapters.control.prepared import Hint
from easel.adapters.control.reference import Reference
from easel.core.control import Control
from easel.core.errors import BadValue
from easel.core.request import Request
from easel.core.work import Finish, Load, Wanted, Work
from easel.media.masks import mask_of
from easel.media.reading import flat, open_image
from easel.media.resize import Size
from easel.media.tensors import to_levels, to_pixels
from easel.models.family import Model
from easel.models.readers import preprocessor_named
from easel.prompt.fields import Fields
from easel.prompt.units import control_text
from easel.recipes.acting import Acting
from easel.recipes.common import Settled
from easel.recipes.controlled import FIDELITY, is_reference
from easel.recipes.hints import Cut, brought, hint_picture, hole_of
from easel.recipes.motion import motion_fields
from easel.recipes.pictures import picture_fields, prompted_by

Passing = Literal["first", "second"]

REFERENCES = {
    "reference": Reference(),
    "reference_only": Reference(),
    "reference_adain": Reference(attention=False, statistics=True),
    "reference_adain+attn": Reference(statistics=True),
}


def led_by(
    settled: Settled,
    model: Model,
    *,
    passing: Passing = "first",
    pictures: Sequence[Image] = (),
    holes: Sequence[Image] = (),
    cut: Cut | None = None,
) -> Generator[Work, Any, tuple[Acting, ...]]:
    """Ask for all that leads a pass beside its words. Raises RequestError naming the unit, or ModelError.

    settled: of the pass, at whose size hints are drawn. passing: which pass of a hires fix it is. pictures: what the
    pass begins with, one for all pictures or one for each, for units without a picture of their own. holes: L, of
    these where they are painted anew. cut: for passes that work on parts; None where a picture lies over all.
    """
    acting: list[Acting] = []
    for place, control in enumerate(settled.request.controls):
        if control.weight and leads_in(settled.request, control.passes, passing):
            acting.append((yield from unit(settled, model, place, pictures, holes, cut)))
    acting += yield from prompted_by(settled, model, passing=passing, cut=cut)
    return tuple(acting)


def needs_picture(request: Request) -> bool:
    """Return whether a unit leads in the second pass by the picture that this begins with."""
    return any(one.image is None and one.weight and one.passes != "first" for one in request.controls)


def leads_in(request: Request, passes: str, passing: Passing) -> bool:
    """Return whether a unit for these passes leads in this one; without a hires fix there is but one."""
    return request.hires is None or passes in ("both", passing)


def unit(
    settled: Settled,
    model: Model,
    place: int,
    pictures: Sequence[Image],
    holes: Sequence[Image],
    cut: Cut | None,
) -> Generator[Work, Any, Acting]:
    """Ask for what unit number `place` needs: its model, its hints drawn and made ready."""
    control, size = settled.request.controls[place], (settled.width, settled.height)
    sources, gaps = sources_of(control, place, pictures, holes, cut)
    regions = regions_of(control, place, size, cut)
    if is_reference(control):
        return (yield from reference(settled, model, control, sources, regions))
    readers: Any = None
    if preprocessor_named(control.preprocessor).facts.get("needs"):
        readers = yield Load(Wanted("preprocessor", control.preprocessor))
    loaded: Any = yield Load(Wanted("controlnet", control.model or ""))
    adapter: Any = yield Finish(partial(loaded.fitted, model))
    if control.kind and not adapter.union:
        raise BadValue(f"controls[{place}].kind", control.kind, f"none for {control.model}, which is no union")
    prepared: list[Any] = []
    for number, source in enumerate(sources):
        gap = gaps[number if len(gaps) > 1 else 0] if gaps else None
        drawn: Image = yield Finish(partial(hint_picture, control, source, gap, size, readers))
        hint = hint_of_picture(control, place, drawn)
        region = regions[number if len(regions) > 1 else 0] if regions else None
        prepared.append((yield from adapter.prepare(model, replace(hint, region=region, alone=settled.request.alone))))
    ready = tuple(prepared)
    away = () if control.mode == "control" else ready
    return Acting(adapter, ready, away, control.weight, control.start, control.end)


def reference(
    settled: Settled, model: Model, control: Control, sources: Sequence[Image], regions: Sequence[Any]
) -> Generator[Work, Any, Acting]:
    """Ask for the latents of references. As in A1111, "prompt" and "control" stand in the place of the fidelity."""
    adapter = REFERENCES[control.preprocessor.strip().casefold()].fitted(model)
    size = (settled.width, settled.height)
    away = {"prompt": 0.0, "control": 1.0}.get(control.mode, float(control.options.get("fidelity", FIDELITY)))
    seen: list[Any] = []
    for number, source in enumerate(sources):
        pixels = to_pixels([brought(flat(source), size, control.resize)])
        one = yield from adapter.prepare(model, pixels, alone=settled.request.alone)
        seen.append(replace(one, region=regions[number if len(regions) > 1 else 0] if regions else None))
    ready = tuple(seen)
    kept = tuple(replace(one, fidelity=away) for one in seen)
    return Acting(adapter, ready, kept, control.weight, control.start, control.end)


def sources_of(
    control: Control, place: int, pictures: Sequence[Image], holes: Sequence[Image], cut: Cut | None
) -> tuple[Sequence[Image], Sequence[Image]]:
    """Return the pictures that lead, one for all or one for each, and where each has a hole. Raises BadValue."""
    if control.image is None and not pictures:
        raise BadValue(f"controls[{place}].image", None, "given, for this pass begins with no picture")
    own = control.image is not None
    image = open_image(control.image, f"controls[{place}].image") if control.image is not None else None
    found = pictures if image is None else cut(image, control.resize) if cut else [image]
    if control.mask is not None:
        mask = mask_of(open_image(control.mask, f"controls[{place}].mask"), "light")
        return found, (cut(mask, control.resize) if cut else [mask])
    return found, () if own else holes


def regions_of(control: Control, place: int, size: Size, cut: Cut | None) -> list[Any]:
    """Return where a unit leads, (1, 1, height, width) of each picture or one for all; none for everywhere."""
    if control.region is None:
        return []
    region = mask_of(open_image(control.region, f"controls[{place}].region"), "light")
    masks = cut(region, "just resize") if cut else [region]
    return [to_levels([brought(mask, size, "just resize")]) for mask in masks]


def hint_of_picture(control: Control, place: int, drawn: Image) -> Hint:
    """Return a drawn hint as adapters read it."""
    hole = hole_of(drawn)
    kind = control.kind or str(preprocessor_named(control.preprocessor).facts["control"]).removeprefix("All")
    return Hint(
        to_pixels([drawn]),
        None if hole is None else to_levels([hole]),
        kind=kind,
        blocks=control.blocks,
        soft=control.mode != "balanced",
        place=place,
    )


def lead_fields(request: Request) -> Generator[Work, Any, Fields]:
    """Ask for what infotext says of all that leads beside the words, and of what makes a clip."""
    return (yield from control_fields(request)) | picture_fields(request) | motion_fields(request)


def control_fields(request: Request) -> Generator[Work, Any, Fields]:
    """Ask for what infotext says of control models, under the names of A1111's ControlNet."""
    found: Fields = {}
    for place, control in enumerate(request.controls):
        shown = control.model
        if control.model is not None and control.weight:
            loaded: Any = yield Load(Wanted("controlnet", control.model))
            shown = f"{control.model} [{loaded.hash}]"
        found[f"ControlNet {place}"] = control_text(control, shown, usual_of(control))
    return found


def usual_of(control: Control) -> dict[str, Any]:
    """Return the options of a unit's preprocessor where none are given."""
    if is_reference(control):
        return {"fidelity": FIDELITY}
    return {name: option.default for name, option in preprocessor_named(control.preprocessor).options.items()}
