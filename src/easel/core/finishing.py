"""Parts of a request that say what becomes of finished pictures: larger, with better faces, before another background.

Pictures travel as the bytes of their files; nothing here opens them. Where a name is A1111's, so is its meaning.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from easel.core.limits import ImageFile, Name, Share
from easel.core.values import Value

Pixels = Annotated[int, Field(ge=1, le=16384)]


class Enlarge(Value):
    """A picture made larger without a model of words.

    upscaler: `easel models upscalers` lists them. second: another, laid over it as visibly as second_share says, 0..1.
    scale: how much larger, 0.25..8; or width and height in pixels, of which one may be left out: the picture then
    covers them, and what overhangs is cut off unless crop is false. tile: side in pixels of the tiles in which a
    learned upscaler works, 0 for the whole at once. first: before faces are restored, and not after it.
    """

    spoken: ClassVar[str] = "enlarge."

    upscaler: Name = "Lanczos"
    second: Name | None = None
    second_share: Share = 0.0
    scale: float = Field(default=2.0, ge=0.25, le=8)
    width: Pixels | None = None
    height: Pixels | None = None
    crop: bool = True
    tile: int = Field(default=192, ge=0, le=4096)
    first: bool = False


class Faces(Value):
    """Faces restored.

    restorer: its name or file. visibility: 0..1, how visibly the restored face is laid over the old.
    fidelity: 0..1, CodeFormer's weight: 0 restores most, 1 stays nearest to the face that is there.
    """

    spoken: ClassVar[str] = "faces."

    restorer: Name
    visibility: Share = 1.0
    fidelity: Share = 0.5


class Background(Value):
    """What a picture shows cut out of its background.

    model: "flat" needs no weights and works before a plain background; others are files of the models folder.
    colour: "#rrggbb" behind it; image: a picture behind it, cut to fit; transparent without either.
    tolerance: 0..100, for "flat": how far in CIE LAB a colour may be from the background's; holes: whether it opens
    what is enclosed too. feather: 0..64 pixels of
    soft edge more. mask_only: give the mask and not the picture.
    """

    spoken: ClassVar[str] = "background."

    model: Name = "flat"
    colour: str = Field(default="", pattern=r"^(#[0-9A-Fa-f]{6})?$")
    image: ImageFile | None = Field(default=None, repr=False)
    tolerance: float = Field(default=12.0, ge=0, le=100)
    holes: bool = False
    feather: float = Field(default=0.0, ge=0, le=64)
    mask_only: bool = False
