"""What infotext tells of what became of finished pictures: details as ADetailer writes them, the rest as A1111 does.

Fields of a second detail end in " 2nd", of a third in " 3rd". What neither knows has names of ours. Knows requests.
"""

from __future__ import annotations

from easel.core.detail import Detail
from easel.core.finishing import Background, Enlarge, Faces
from easel.core.request import Request
from easel.post.upscalers import shown_name
from easel.prompt.fields import Fields

ORDINALS = ("", " 2nd", " 3rd")
MERGED = {"merge": "Merge", "invert": "Merge and Invert"}
MODELS = {"faces": "mediapipe_face_full", "mask": "mask"}  # what ADetailer calls a finder of frontal faces


def done_fields(request: Request) -> Fields:
    """Return the fields of all that a request asks to become of its finished pictures."""
    found: Fields = {}
    for place, detail in enumerate(request.details):
        ending = ORDINALS[place] if place < len(ORDINALS) else f" {place + 1}th"
        found |= {f"ADetailer {name}{ending}": value for name, value in detail_fields(detail).items()}
    for faces in request.faces:
        found |= faces_fields(faces)
    found |= enlarge_fields(request.enlarge) if request.enlarge else {}
    return found | (background_fields(request.background) if request.background else {})


def detail_fields(detail: Detail) -> Fields:
    """Return the fields of a detail, without what stands before and behind their names."""
    model = f"words: {detail.find}" if detail.by == "words" else MODELS.get(detail.by, detail.find)
    found: Fields = {"model": model, "confidence": detail.confidence}
    found |= {"model classes": ", ".join(detail.classes)} if detail.classes else {}
    found |= {"prompt": detail.prompt} if detail.prompt else {}
    found |= {"negative prompt": detail.negative_prompt} if detail.negative_prompt else {}
    found |= {"mask min ratio": detail.least} if detail.least > 0 else {}
    found |= {"mask max ratio": detail.greatest} if detail.greatest < 1 else {}
    found |= {"mask only top k": detail.most} if detail.most else {}
    if detail.most or detail.order != "confidence":
        found["method to decide top k masks"] = detail.order.capitalize()
    found |= {"x offset": detail.move_x} if detail.move_x else {}
    found |= {"y offset": detail.move_y} if detail.move_y else {}
    found |= {"dilate erode": detail.grow, "mask blur": plain(detail.blur)}
    found |= {"mask merge invert": MERGED[detail.merge]} if detail.merge else {}
    found |= {"denoising strength": detail.strength, "inpaint only masked": str(detail.only_masked)}
    found |= {"inpaint padding": detail.padding} if detail.only_masked else {}
    return found | own_fields(detail)


def own_fields(detail: Detail) -> Fields:
    """Return the fields of what the work on regions has of its own."""
    found: Fields = {}
    if detail.width or detail.height:
        found["use inpaint width height"] = "True"
    parts = detail.components
    own: tuple[tuple[str, str, str | int | float | None], ...] = (
        ("", "inpaint width", detail.width),
        ("", "inpaint height", detail.height),
        ("steps", "steps", detail.steps),
        ("CFG scale", "CFG scale", detail.cfg_scale),
        ("sampler", "sampler", detail.sampler),
        ("", "scheduler", detail.schedule),
        ("noise multiplier", "noise multiplier", detail.noise_multiplier),
        ("CLIP skip", "CLIP skip", detail.clip_skip),
        ("checkpoint", "checkpoint", detail.model),
        ("VAE", "VAE", parts.vae if parts else None),
        ("", "denoiser", parts.denoiser if parts else None),
        ("", "text encoders", ", ".join(parts.text_encoders) if parts and parts.text_encoders else None),
        ("", "restore face", detail.faces.restorer if detail.faces else None),
    )
    for use, name, value in own:
        if value is not None:
            found |= {f"use separate {use}": "True"} if use else {}
            found[name] = value
    for control in detail.controls[:1]:  # ADetailer has one
        found["ControlNet model"] = control.model or "None"
        found["ControlNet module"] = control.preprocessor
        found["ControlNet weight"] = control.weight
        found |= {"ControlNet guidance start": control.start, "ControlNet guidance end": control.end}
    return found


def faces_fields(part: Faces) -> Fields:
    """Return the fields of faces restored: A1111's of GFPGAN and CodeFormer, alike for others."""
    folded = part.restorer.casefold()
    name = next((name for name in ("GFPGAN", "CodeFormer") if folded.startswith(name.casefold())), part.restorer)
    found: Fields = {f"{spelled(name)} visibility": part.visibility}
    return found | ({"CodeFormer weight": part.fidelity} if name == "CodeFormer" else {})


def spelled(name: str) -> str:
    """Return a file's name as the name of a field may have it."""
    return "".join(letter if letter.isalnum() or letter in " -_" else " " for letter in name).strip() or "Face"


def enlarge_fields(part: Enlarge) -> Fields:
    """Return the fields of an enlargement."""
    found: Fields = {}
    if part.width or part.height:
        cropped = "crop" if part.crop and part.width and part.height else "upscale"
        found[f"Postprocess {cropped} to"] = f"{part.width or 0}x{part.height or 0}"
    else:
        found["Postprocess upscale by"] = plain(part.scale)
    found["Postprocess upscaler"] = shown_name(part.upscaler)
    if part.second is not None and part.second_share:
        found |= {"Postprocess upscaler 2": shown_name(part.second)}
        found |= {"Postprocess upscaler 2 visibility": part.second_share}
    return found | ({"Postprocess upscale first": "True"} if part.first else {})


def background_fields(part: Background) -> Fields:
    """Return the fields of a cut-out, where A1111 has no names."""
    found: Fields = {"Background model": part.model}
    found |= {"Background colour": part.colour} if part.colour else {}
    found |= {"Background picture": "True"} if part.image is not None else {}
    found |= {"Background tolerance": plain(part.tolerance)} if part.model == "flat" else {}
    found |= {"Background holes": "True"} if part.holes else {}
    found |= {"Background feather": plain(part.feather)} if part.feather else {}
    return found | ({"Background mask only": "True"} if part.mask_only else {})


def plain(value: float) -> int | float:
    """Return a whole number without its point."""
    return int(value) if value.is_integer() else value
