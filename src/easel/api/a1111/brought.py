"""Pictures that a client of this dialect names by their address, fetched before anything is understood.

Where the server fetches none, addresses stay as they are and are refused where pictures are read.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

from easel.api.a1111.wire import NamedPicture, Wire
from easel.api.addresses import MOST, WEB, Addresses
from easel.api.pictures import text_of
from easel.core.errors import BadValue

FIELDS = ("init_images", "mask", "image", "imageList", "input_image", "alwayson_scripts", "controlnet_input_images")

# What holds pictures within scripts that always run.
SCRIPTS = ("ControlNet", "controlnet", "sd_forge_controlnet", "args")
WITHIN = (*SCRIPTS, "image", "input_image", "mask", "mask_image", "effective_region_mask", "generated_image")

W = TypeVar("W", bound=Wire)


async def brought(wire: W, addresses: Addresses | None) -> W:
    """Return a body with the pictures themselves where their addresses stood. Raises BadValue."""
    if addresses is None:
        return wire
    left = MOST

    async def instead(given: Any, field: str) -> Any:
        """Return a picture for its address; within lists and objects too, of objects the parts that are pictures."""
        nonlocal left
        match given:
            case str() if WEB.match(given):
                left -= 1
                if left < 0:
                    raise BadValue(field, "one more address", f"at most {MOST} addresses in a request")
                return text_of(await addresses.file_at(given, field))
            case NamedPicture():
                return given.model_copy(update={"data": await instead(given.data, field)})
            case list():
                several = enumerate(cast("list[Any]", given))
                return [await instead(one, f"{field} {place}") for place, one in several]
            case dict():
                parts = cast("dict[str, Any]", given).items()
                return {name: await instead(one, f"{field} {name}") if name in WITHIN else one for name, one in parts}
            case _:
                return given

    return wire.model_copy(
        update={name: await instead(given, name) for name in FIELDS if (given := getattr(wire, name, None)) is not None}
    )
