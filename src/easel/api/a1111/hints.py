"""Hints drawn at the door for who wants to see them: asked for alone, or beside the pictures that they led.

Loads networks where a preprocessor has one, and keeps none; call it in a thread, one call at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from easel.api.a1111.modules import module_meant
from easel.api.a1111.units import REFERENCE, resolution
from easel.api.a1111.wire import Detect
from easel.api.pictures import text_of
from easel.core.control import Control
from easel.core.request import Request
from easel.models.library.names import Library
from easel.prompt.dials import options_of

if TYPE_CHECKING:
    from PIL.Image import Image

POSES = "OpenPose"  # the kind of preprocessors that find people's points


def detected(wire: Detect, files: Sequence[bytes], masks: Sequence[bytes], library: Library) -> dict[str, Any]:
    """Return the hint of each picture in base64, and people's points where the preprocessor finds them.

    masks: one for each picture, or none. Raises RequestError or ModelError.
    """
    from easel.media.reading import open_image, png_bytes
    from easel.models.readers import Readers, hint_of, preprocessor_named

    module = module_meant(wire.controlnet_module)
    entry, readers = preprocessor_named(module), Readers(library)
    options = options_of(module, wire.controlnet_threshold_a, wire.controlnet_threshold_b)
    at = resolution(wire.controlnet_processor_res, module)
    images: list[Image] = []
    poses: list[dict[str, Any]] = []
    for place, file in enumerate(files):
        image = open_image(file, f"controlnet_input_images {place}")
        if entry.facts["control"] == POSES:
            hint, told = posed(entry.name, image, at, readers)
            poses.append(told)
        else:
            mask = open_image(masks[place], f"controlnet_masks {place}") if masks else None
            hint = hint_of(image, entry.name, resolution=at, options=options, mask=mask, readers=readers)
        images.append(hint)
    found: dict[str, Any] = {"images": [text_of(png_bytes(image)) for image in images], "info": "Success"}
    return found | ({"poses": poses} if poses else {})


def posed(name: str, image: Image, at: int | None, readers: Any) -> tuple[Image, dict[str, Any]]:
    """Return people's poses as a preprocessor of this name draws them, and all their points as OpenPose's JSON."""
    from easel.media.hints import at_resolution
    from easel.media.reading import flat
    from easel.models.readers.pose.people import to_json
    from easel.models.readers.pose.picture import render
    from easel.models.readers.poses import found_poses

    found = found_poses(at_resolution(flat(image), at), readers)
    parts = {
        "body": not name.endswith("faceonly"),
        "hands": "hand" in name or "full" in name,
        "face": "face" in name or "full" in name,
    }
    return render(found, **parts), to_json(found)


def rendered(poses: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """Return the pictures of poses in OpenPose's JSON, as PNG. Raises BadValue naming the place."""
    from easel.media.reading import png_bytes
    from easel.models.readers.pose.people import read_told
    from easel.models.readers.pose.picture import render

    return [png_bytes(render(read_told(one, f"poses {place}"))) for place, one in enumerate(poses)]


def shown(request: Request, places: Sequence[int], library: Library) -> list[bytes]:
    """Return the hints that some of a request's controls led by, at the size of its picture, as PNG.

    A reference has none. Raises RequestError or ModelError.
    """
    from easel.media.reading import png_bytes
    from easel.models.readers import Readers

    readers = Readers(library)
    controls = [request.controls[place] for place in places]
    return [
        png_bytes(hint_shown(request, control, readers))
        for control in controls
        if not control.preprocessor.startswith(REFERENCE)
    ]


def hint_shown(request: Request, control: Control, readers: Any) -> Image:
    """Return the hint of one control at the size of the request's picture, all of it where a part is worked on."""
    from easel.media.reading import open_image
    from easel.recipes.hints import hint_picture

    image, hole = sources_of(request, control)
    size = request.width or image.width, request.height or image.height
    if control.mask is not None:
        hole = open_image(control.mask, "mask").convert("L")
    return hint_picture(control, image, hole, size, readers).convert("RGB")


def sources_of(request: Request, control: Control) -> tuple[Image, Image | None]:
    """Return the picture that a control's hint is drawn of, and where it is painted anew, if anywhere.

    Its own has no such place; where it has none the request's start leads, and a mask counts.
    """
    from easel.media.reading import open_image
    from easel.recipes.canvas import mask_image
    from easel.recipes.starts import opened

    if control.image is not None or request.start is None:
        return open_image(control.image or b"", "image"), None
    image = opened(request)
    return image, mask_image(request.mask, image) if request.mask else None
