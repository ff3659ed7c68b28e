"""What can be told of a request's controls and image prompts without a model, and what they load.

Reads pictures' files; knows no tensors.
"""

from __future__ import annotations

from collections.abc import Sequence

from easel.adapters.control.kinds import check_kind
from easel.adapters.pictures.opening import opened
from easel.core.control import Control
from easel.core.errors import BadValue, UnknownName, Unsupported
from easel.core.request import Request
from easel.core.work import Wanted
from easel.media.hints import checked_options
from easel.media.reading import open_image
from easel.models.readers import preprocessor_named

REFERENCES = ("reference", "reference_only", "reference_adain", "reference_adain+attn")
UNLED = ("detail", "process")  # recipes whose passes these do not lead; details have controls of their own
WHOLE = "none for reference_adain, whose look is the whole picture's"
FIDELITY = 0.5  # of a reference where none was given, A1111's


def is_reference(control: Control) -> bool:
    """Return whether a unit is a reference, which needs no model."""
    return control.preprocessor.strip().casefold() in REFERENCES


def leads_of(request: Request) -> list[tuple[str, Control, bool]]:
    """Return the units of a request with their names, and whether a pass begins with a picture that they could take."""
    starts = request.start is not None
    found = [
        (f"controls[{place}]", control, starts or (request.hires is not None and control.passes == "second"))
        for place, control in enumerate(request.controls)
    ]
    return found + [
        (f"details[{number}].controls[{place}]", control, True)
        for number, detail in enumerate(request.details)
        for place, control in enumerate(detail.controls)
    ]


def check_leads(request: Request, recipe: str) -> None:
    """Raise RequestError for controls and image prompts that cannot be: names, options, files, what does not go."""
    if recipe in UNLED:
        for name in ("controls", "image_prompts"):
            if getattr(request, name):
                raise Unsupported(f"the recipe {recipe} has no use for {name}; it draws no whole picture.")
    for field, control, begins in leads_of(request):
        paints = request.mask is not None or request.outpaint is not None or field.startswith("details")
        check_control(field, control, begins=begins, paints=paints)
    for place, prompt in enumerate(request.image_prompts):
        opened(prompt, f"image_prompts[{place}].images")
        if prompt.region is not None:
            open_image(prompt.region, f"image_prompts[{place}].region")
        if prompt.weights and not any(prompt.weights):
            raise BadValue(f"image_prompts[{place}].weights", prompt.weights, "one above 0 at least")
    check_shortened(request)


def check_shortened(request: Request) -> None:
    """Raise Unsupported where layers would be left out to which control models add."""
    if request.shortcuts.features_every > 1 and any(control.model is not None for control in request.controls):
        raise Unsupported(
            "shortcuts.features_every leaves out the layers to which control models add; leave out one of the two."
        )


def check_control(field: str, control: Control, *, begins: bool, paints: bool) -> None:
    """Raise RequestError for a unit that cannot be.

    field: what it is called. begins: whether there is a picture for it without its own; paints: whether that has holes.
    """
    if control.resize == "latent resize":
        raise BadValue(f"{field}.resize", control.resize, "just resize, crop and resize or resize and fill")
    images = {name: getattr(control, name) for name in ("image", "mask", "region")}
    opened = {name: open_image(data, f"{field}.{name}") for name, data in images.items() if data is not None}
    if control.image is None and not begins:
        raise BadValue(f"{field}.image", None, "given, where there is no picture to start from")
    if is_reference(control):
        check_reference(field, control)
        return
    entry = preprocessor_named(control.preprocessor)
    checked_options(entry, control.options)
    if control.model is None:
        raise BadValue(f"{field}.model", None, "a control model's name; `easel models list --kind controlnet` has them")
    check_kind(control.kind, field)
    alpha = entry.facts["reads_alpha"]
    if control.mask is not None and not alpha:
        raise BadValue(f"{field}.mask", "given", f"none for {entry.name}, which looks at all of its picture")
    clear = "image" in opened and opened["image"].mode == "RGBA"
    if alpha and control.mask is None and not (clear if "image" in opened else paints):
        raise BadValue(f"{field}.mask", None, f"given for {entry.name}, or a picture with transparent places")


def check_reference(field: str, control: Control) -> None:
    """Raise RequestError for what a reference has no use for."""
    unused: Sequence[tuple[str, object, str]] = (
        ("model", control.model, "none for a reference, which needs no model"),
        ("kind", control.kind or None, "none for a reference"),
        ("blocks", control.blocks or None, "none for a reference"),
        ("mask", "given" if control.mask is not None else None, "none for a reference; a region says where it leads"),
        ("region", "given" if control.region is not None and "adain" in control.preprocessor else None, WHOLE),
    )
    for name, got, allowed in unused:
        if got is not None:
            raise BadValue(f"{field}.{name}", got, allowed)
    for name, value in control.options.items():
        if name != "fidelity":
            raise UnknownName(f"option of {control.preprocessor}", name, ("fidelity",))
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise BadValue(f"option fidelity of {control.preprocessor}", value, "0 to 1")


def controls_want(request: Request) -> list[Wanted]:
    """Return what a request's controls and image prompts load. Raises RequestError."""
    wanted: list[Wanted] = []
    for _, control, _ in leads_of(request):
        if not is_reference(control) and preprocessor_named(control.preprocessor).facts.get("needs"):
            wanted.append(Wanted("preprocessor", control.preprocessor))
        if control.model is not None:
            wanted.append(Wanted("controlnet", control.model))
    for prompt in request.image_prompts:
        wanted.append(Wanted("ip_adapter", prompt.model))
        wanted += [Wanted("clip_vision", prompt.reader)] if prompt.reader else []
    return wanted
