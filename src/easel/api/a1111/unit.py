"""One unit of A1111's ControlNet as its clients send it, that extension's spellings and Forge's. Values only.

Unknown fields are ignored and null means the default. What a unit means stands in units.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import AliasChoices, Field

from easel.api.a1111.wire import Wire, given_to
from easel.core.errors import BadValue

SCRIPTS = ("controlnet", "sd_forge_controlnet")  # what calls name it, in small letters


def either(*names: str) -> Any:
    """Return the names that a field goes by, the preferred first."""
    return AliasChoices(*names)


class Unit(Wire):
    """A unit. The fields of the last lines are Forge's.

    image: base64, {"image": ..., "mask": ...}, or a list of either.
    """

    enabled: bool = True
    module: str = "none"
    model: str = "None"
    weight: float = 1.0
    image: Any = Field(default=None, validation_alias=either("image", "input_image"))
    mask: Any = Field(default=None, validation_alias=either("mask", "mask_image"))
    resize_mode: str | int = "Crop and Resize"
    low_vram: bool = Field(default=False, validation_alias=either("low_vram", "lowvram"))
    processor_res: float = -1
    threshold_a: float = -1
    threshold_b: float = -1
    guidance_start: float = 0.0
    guidance_end: float = Field(default=1.0, validation_alias=either("guidance_end", "guidance"))
    pixel_perfect: bool = False
    control_mode: str | int = "Balanced"
    inpaint_crop_input_image: bool = True
    hr_option: str | int = "Both"
    save_detected_map: bool = True
    advanced_weighting: list[float] | None = None
    effective_region_mask: Any = None
    pulid_mode: str = "Fidelity"
    union_control_type: str = "Unknown"
    ipadapter_input: Any = None
    input_mode: str | int = "simple"
    batch_images: Any = None
    use_preview_as_input: bool = False
    generated_image: Any = None


def units_in(arguments: list[Any]) -> list[tuple[str, Unit]]:
    """Return the units of a call that are switched on, and what each is called in messages. Raises BadValue.

    An empty unit is off, and so is what no unit is: false, null.
    """
    found: list[tuple[str, Unit]] = []
    for place, given in enumerate(arguments):
        if not given or isinstance(given, bool):
            continue
        name = f"ControlNet {place}"
        if not isinstance(given, Mapping):
            raise BadValue(name, cast("object", given), "an object of the unit's fields")
        unit = given_to("ControlNet", Unit, cast("Mapping[str, Any]", given), name)
        if unit.enabled:
            found.append((name, unit))
    return found
