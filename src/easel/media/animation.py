"""Pictures one after another: GIF, WebP and MP4.

Pillow writes the first two, PyAV (FFmpeg) the last. Knows frames and their infotext; no models.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, cast

from PIL import Image

from easel.core.errors import BadValue, UnknownName
from easel.core.motion import Motion
from easel.core.result import Picture
from easel.media.metadata import UNSTORABLE, exif_with

FORMATS = ("gif", "webp", "mp4")
LONGEST = 10_000  # frames


def animate(
    frames: Sequence[Image.Image],
    format: str,
    *,
    fps: float = 4.0,
    loop: bool = True,
    there_and_back: bool = False,
    infotext: str = "",
) -> bytes:
    """Return the file of an animation.

    fps: frames a second, 0.1..60. loop: whether GIF and WebP begin again. there_and_back: run back to the first frame.
    infotext: kept where the format has a place for it: WebP's Exif, as of a picture, a comment in GIF and MP4.
    Frames of unequal size are centred on black. Raises UnknownName for the format, BadValue without frames.
    """
    if format not in FORMATS:
        raise UnknownName("animation format", format, FORMATS)
    if not 0.1 <= fps <= 60:
        raise BadValue("fps", fps, "0.1 to 60")
    if not 1 <= len(frames) <= LONGEST:
        raise BadValue("frames", len(frames), f"1 to {LONGEST}")
    shown = of_one_size([*frames, *frames[-2:0:-1]] if there_and_back else frames)
    text = UNSTORABLE.sub("\ufffd", infotext)
    return mp4(shown, fps, text) if format == "mp4" else moving_picture(shown, format, fps, loop, text)


def film_of(motion: Motion, frames: Sequence[Picture]) -> bytes:
    """Return the film of a clip, with the infotext of its first frame, which tells the whole clip."""
    images = [frame.image for frame in frames]
    return animate(images, motion.format, fps=motion.fps, infotext=frames[0].infotext)


def of_one_size(frames: Sequence[Image.Image]) -> list[Image.Image]:
    """Return frames as RGB of one size, centred on black."""
    width, height = max(frame.width for frame in frames), max(frame.height for frame in frames)
    made: list[Image.Image] = []
    for frame in frames:
        sheet = Image.new("RGB", (width, height))
        sheet.paste(frame.convert("RGB"), ((width - frame.width) // 2, (height - frame.height) // 2))
        made.append(sheet)
    return made


def moving_picture(frames: Sequence[Image.Image], format: str, fps: float, loop: bool, text: str = "") -> bytes:
    """Return a GIF or a lossless WebP."""
    out = io.BytesIO()
    options: dict[str, Any] = {"lossless": True} if format == "webp" else {"disposal": 2}
    if format == "gif":
        frames = [frame.quantize(256, dither=Image.Dither.FLOYDSTEINBERG) for frame in frames]
    if text:
        options |= {"exif": exif_with(text)} if format == "webp" else {"comment": text.encode()}
    if loop or format == "webp":
        options["loop"] = 0 if loop else 1
    rest = frames[1:]
    frames[0].save(out, format, save_all=True, append_images=rest, duration=round(1000 / fps), **options)
    return out.getvalue()


def mp4(frames: Sequence[Image.Image], fps: float, text: str = "") -> bytes:
    """Return an MP4 with H.264, which every browser plays; odd sides lose a pixel, as the format wants even ones."""
    import av

    if min(frames[0].size) < 2:
        raise BadValue("frames", f"{frames[0].width}x{frames[0].height} pixels", "at least 2 pixels a side for MP4")
    out = io.BytesIO()
    rate = Fraction(fps).limit_denominator(1000)
    with av.open(out, "w", format="mp4") as file:
        file.metadata.update({"comment": text} if text else {})
        stream = cast(Any, file.add_stream("libx264", rate=rate))
        stream.width, stream.height = frames[0].width // 2 * 2, frames[0].height // 2 * 2
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "16", "preset": "medium"}
        for frame in frames:
            cut = frame.crop((0, 0, stream.width, stream.height))
            for packet in stream.encode(av.VideoFrame.from_image(cut)):
                file.mux(packet)
        for packet in stream.encode():
            file.mux(packet)
    return out.getvalue()
