"""Easel from Python: load a model, ask for pictures, get pictures.

A thin comfort over core/client.py; it decides nothing about pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, Unpack

from easel.app import open_client
from easel.core.client import Done, EngineClient, Event, Failed, WasCancelled
from easel.core.errors import Cancelled
from easel.core.request import Request
from easel.core.result import Picture, Result
from easel.core.settings import Settings, read_settings
from easel.fields import (
    MASK,
    OUTPAINT,
    START,
    TILES,
    BackgroundFields,
    EnlargeFields,
    Fields,
    FinishFields,
    MaskFields,
    OutpaintFields,
    PictureLike,
    StartFields,
    TileFields,
    WordFields,
    picture_file,
    picture_files,
    requests_of,
    sketched,
    taken,
)
from easel.media.masks import difference
from easel.media.reading import png_bytes
from easel.prompt.axes import NO_AXIS, Grid, grid, matrix, parse_axis

OnEvent = Callable[[Event], None]


def load(model: str = "starter", **settings: Any) -> Studio:
    """Return a studio for the model of that name or path; settings are those of Settings, such as device="cpu".

    The weights load at the first picture. Raises UnknownName or ModelError when there is no such model.
    """
    from easel.models.library.names import Library

    chosen = read_settings(**settings)
    Library(chosen).find(model)
    return Studio(open_client(chosen), model, chosen)


class Studio:
    """A model ready to draw. Close it, or use it as a context manager, to give back its memory."""

    def __init__(self, client: EngineClient, model: str, settings: Settings | None = None) -> None:
        self._client = client
        self._model = model
        self._settings = settings or read_settings()

    def text_to_image(
        self, prompt: str | Sequence[str], *, on_event: OnEvent | None = None, **fields: Unpack[WordFields]
    ) -> list[Picture]:
        """Return the pictures of one prompt, or of several that share their forwards, in order.

        Sizes are pixels, multiples of 8; what is left out is the model's choice. Picture i of a batch has seed + i;
        without a seed one is drawn. on_event is called with every event of every run as it happens.
        Raises RequestError for what the asker can fix, ResourceError and ModelError for what they cannot.
        """
        return self._pictures(prompt, dict(fields), on_event)

    def image_to_image(
        self,
        prompt: str | Sequence[str],
        image: PictureLike,
        *,
        on_event: OnEvent | None = None,
        **fields: Unpack[StartFields],
    ) -> list[Picture]:
        """Return pictures drawn anew from a picture (a path, a file's bytes, or Pillow's), led by words.

        strength, 0..1, is how far from it; it has the picture's size, cut to multiples of 8, unless asked otherwise.
        """
        given = dict(fields)
        start = {**taken(given, START), "image": picture_file(image, "image")}
        return self._pictures(prompt, given, on_event, recipe="image_to_image", start=start)

    def inpaint(
        self,
        prompt: str | Sequence[str],
        image: PictureLike,
        mask: PictureLike | None = None,
        *,
        on_event: OnEvent | None = None,
        **fields: Unpack[MaskFields],
    ) -> list[Picture]:
        """Return pictures whose masked part is painted anew, the rest being bit for bit as it was.

        mask: of the picture's size, white where to paint; None paints where the picture is transparent.
        """
        given = dict(fields)
        start = {**taken(given, START), "image": picture_file(image, "image")}
        file = None if mask is None else picture_file(mask, "mask")
        masked = {**taken(given, MASK), "image": file}
        return self._pictures(prompt, given, on_event, recipe="inpaint", start=start, mask=masked)

    def outpaint(
        self,
        prompt: str | Sequence[str],
        image: PictureLike,
        *,
        on_event: OnEvent | None = None,
        **fields: Unpack[OutpaintFields],
    ) -> list[Picture]:
        """Return pictures grown by left, right, top and bottom pixels beyond the edges of a picture."""
        given = dict(fields)
        start = {**taken(given, START), "image": picture_file(image, "image")}
        grow = taken(given, OUTPAINT)
        return self._pictures(prompt, given, on_event, recipe="outpaint", start=start, outpaint=grow)

    def sketch(
        self,
        prompt: str | Sequence[str],
        strokes: Sequence[Mapping[str, Any]] | str,
        *,
        on: PictureLike | None = None,
        inpaint: bool = False,
        paper: str = "white",
        on_event: OnEvent | None = None,
        **fields: Unpack[MaskFields],
    ) -> list[Picture]:
        """Return pictures drawn from colour strokes on a picture, or on blank paper of width and height.

        strokes: points, colour and width of each, as media/strokes.py has them. inpaint: paint only where strokes lie,
        under a mask with the options of inpaint().
        """
        given = dict(fields)
        ground, made = sketched(strokes, on, (given.get("width"), given.get("height")), paper)
        start = {**taken(given, START), "image": png_bytes(made)}
        if not inpaint:
            return self._pictures(prompt, given, on_event, recipe="image_to_image", start=start)
        masked = {**taken(given, MASK), "image": png_bytes(difference(made, ground))}
        return self._pictures(prompt, given, on_event, recipe="inpaint", start=start, mask=masked)

    def upscale(
        self,
        prompt: str | Sequence[str],
        image: PictureLike,
        *,
        on_event: OnEvent | None = None,
        **fields: Unpack[TileFields],
    ) -> list[Picture]:
        """Return a picture enlarged `scale` times and drawn over tile by tile; width and height are a tile's.

        strength, 0..1, is 0.3 where it is not given, so that what the picture shows stays.
        """
        given = dict(fields)
        start = {"strength": 0.3, **taken(given, START), "image": picture_file(image, "image")}
        tiles = taken(given, TILES)
        return self._pictures(prompt, given, on_event, recipe="tiled_upscale", start=start, tiles=tiles)

    def detail(
        self,
        image: PictureLike,
        *,
        prompt: str = "",
        on_event: OnEvent | None = None,
        **fields: Unpack[Fields],
    ) -> list[Picture]:
        """Return a picture with regions of it painted anew at full resolution; all else stays bit for bit.

        details: what is looked for, such as "face" or ["face", {"find": "hands", "strength": 0.5}]. prompt: words of
        the whole picture, by which regions are painted that have none of their own.
        """
        start = {"image": picture_file(image, "image")}
        return self._pictures(prompt, dict(fields), on_event, recipe="detail", start=start)

    def process(
        self,
        images: PictureLike | Sequence[PictureLike],
        *,
        on_event: OnEvent | None = None,
        **fields: Unpack[FinishFields],
    ) -> list[Picture]:
        """Return pictures enlarged, with faces restored, cut out of their background; nothing is drawn anew.

        images: one picture, or a list of several, which go through together.
        """
        files = picture_files(images, "images")
        parts: dict[str, Any] = {"model": self._model, "recipe": "process"}
        asked = [requests_of("", fields, self._settings, **parts, start={"image": file}) for file in files]
        results = self.run([request for requests in asked for request in requests], on_event=on_event)
        return [picture for result in results for picture in result.pictures]

    def enlarge(
        self,
        images: PictureLike | Sequence[PictureLike],
        scale: float = 2.0,
        upscaler: str = "Lanczos",
        *,
        on_event: OnEvent | None = None,
        **fields: Unpack[EnlargeFields],
    ) -> list[Picture]:
        """Return pictures `scale` times larger, 0.25..8, by an upscaler of `easel models upscalers`."""
        wanted = {"scale": scale, "upscaler": upscaler, **fields}
        return self.process(images, enlarge=wanted, on_event=on_event)

    def cut_out(
        self,
        images: PictureLike | Sequence[PictureLike],
        model: str = "flat",
        *,
        on_event: OnEvent | None = None,
        **fields: Unpack[BackgroundFields],
    ) -> list[Picture]:
        """Return what pictures show cut out of their background: transparent, or before a colour or a picture.

        model: "flat" needs no weights and works before a plain background; others are files of the models folder.
        """
        return self.process(images, background={"model": model, **fields}, on_event=on_event)

    def grid(
        self,
        prompt: str,
        *,
        x: str | None = None,
        y: str | None = None,
        z: str | None = None,
        start: PictureLike | None = None,
        on_event: OnEvent | None = None,
        **fields: Unpack[WordFields],
    ) -> list[Picture]:
        """Return labelled sheets, one for each value of z, in which cells vary as "Steps=4,8,20" says.

        An axis is "NAME=VALUES" as in `easel grid`; all cells are drawn together. start: a picture that cells begin
        from, so that "Denoising=0.2,0.8" may vary.
        """
        from easel.recipes.grids import sheets_of

        (request,) = requests_of(prompt, fields, self._settings, **self._begun(start))
        axes = [parse_axis(text, request) if text else NO_AXIS for text in (x, y, z)]
        found = grid(request, *axes)
        return sheets_of(found, self.cells(found, on_event=on_event))

    def matrix(self, prompt: str, *, on_event: OnEvent | None = None, **fields: Unpack[WordFields]) -> list[Picture]:
        """Return the sheet of a prompt matrix: in "a fox|red|at night" all but the first part are taken or left."""
        from easel.recipes.grids import sheets_of

        (request,) = requests_of(prompt, fields, self._settings, **self._begun(None))
        found = matrix(request)
        return sheets_of(found, self.cells(found, on_event=on_event))

    def cells(self, found: Grid, *, on_event: OnEvent | None = None) -> list[Picture]:
        """Return the pictures of a grid's cells (easel.prompt.axes), in order; easel.media.animation makes films."""
        return [picture for result in self.run(found.requests, on_event=on_event) for picture in result.pictures]

    def _begun(self, start: PictureLike | None) -> dict[str, Any]:
        if start is None:
            return {"model": self._model}
        return {"model": self._model, "recipe": "image_to_image", "start": {"image": picture_file(start, "start")}}

    def run(self, requests: Sequence[Request], *, on_event: OnEvent | None = None) -> list[Result]:
        """Return the result of each request; all run together, and one that fails cancels the rest."""
        runs: list[str] = []
        try:
            for request in requests:
                runs.append(self._client.submit(request))
            return [self._ending(run, on_event) for run in runs]
        except BaseException:
            for run in runs:
                self._client.cancel(run)
            raise

    def close(self) -> None:
        """Cancel what runs and release the model."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _pictures(
        self, prompt: str | Sequence[str], fields: Mapping[str, Any], on_event: OnEvent | None, **parts: Any
    ) -> list[Picture]:
        requests = requests_of(prompt, fields, self._settings, model=self._model, **parts)
        return [picture for result in self.run(requests, on_event=on_event) for picture in result.pictures]

    def _ending(self, run: str, on_event: OnEvent | None) -> Result:
        for event in self._client.events(run):
            if on_event is not None:
                on_event(event)
            match event:
                case Done(result):
                    return result
                case Failed(error):
                    raise error
                case WasCancelled():
                    raise Cancelled(f"run {run} was cancelled.")
                case _:
                    continue
        raise Cancelled(f"run {run} ended without a word.")
