"""`easel sketch`: colour strokes and words to a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from easel.cli.options import AsJson, BatchCount, Out, option, with_shared
from easel.cli.pictures import Prompt, draw_from_picture, mask_options, picture_bytes, start_options, with_options

SKETCH = "Sketch"


@with_shared
@with_options(mask_options, "painting")
@with_options(start_options, "start")
def sketch(
    *,
    prompt: Prompt,
    strokes: Annotated[Path, option(SKETCH, "--strokes", "FILE", "A JSON list of strokes; see docs/pictures.md.")],
    on: Annotated[Path | None, option(SKETCH, "--on", "FILE", "A picture to draw on [blank paper of --size].")] = None,
    paper: Annotated[str, option(SKETCH, "--paper", "COLOUR", "Of blank paper [white].")] = "white",
    inpaint: Annotated[bool, option(SKETCH, "--inpaint", None, "Paint only where strokes lie on the picture.")] = False,
    start: dict[str, Any],
    painting: dict[str, Any],
    batch_count: BatchCount = 1,
    fields: dict[str, Any],
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Draw a picture from colour strokes, led by words.

    With --inpaint the picture stays as it is, bit for bit, where no stroke lies; the options of a mask are for that.
    """
    from easel.cli import wishes
    from easel.core.errors import BadValue
    from easel.core.limits import MAX_SIDE
    from easel.media.masks import difference
    from easel.media.reading import flat, open_image, png_bytes
    from easel.media.strokes import blank, drawn, paper_colour, read_strokes

    try:
        text = wishes.file_bytes("--strokes", strokes).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadValue("--strokes", str(strokes), "a text file in UTF-8") from None
    lines = read_strokes(text, "--strokes")
    if on is not None:
        ground = flat(open_image(picture_bytes("--on", on), "--on"))
    elif "width" in fields:
        for side in ("width", "height"):
            if not 8 <= fields[side] <= MAX_SIDE:
                raise BadValue(f"--size {side}", fields[side], f"8 to {MAX_SIDE}")
        ground = blank((fields["width"], fields["height"]), paper_colour(paper, "--paper"))
    else:
        raise BadValue("--size", None, "given, for blank paper", remedy="or name a picture with --on")
    made = drawn(lines, ground)
    fields["start"] = {**start, "image": png_bytes(made)}
    if inpaint:
        fields["mask"] = {**painting, "image": png_bytes(difference(made, ground))}
    elif set_of(painting):
        raise wishes.needs("an option of the mask", ", ".join(set_of(painting)), "--inpaint")
    recipe = "inpaint" if inpaint else "image_to_image"
    draw_from_picture(recipe, prompt, fields, batch_count=batch_count, out=out, as_json=as_json)


def set_of(painting: dict[str, Any]) -> list[str]:
    """Return the names of the mask's fields that were given."""
    return [name for name, value in painting.items() if value is not False]
