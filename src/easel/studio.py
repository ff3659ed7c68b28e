"""Easel from Python: load a model, ask for pictures, get pictures.

A thin comfort over core/client.py; it decides nothing about pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Literal, Self

from easel.app import open_client
from easel.core.client import Done, EngineClient, Event, Failed, WasCancelled
from easel.core.errors import Cancelled
from easel.core.limits import OptionValue
from easel.core.passes import Guidance
from easel.core.request import Request
from easel.core.result import Picture, Result
from easel.core.settings import read_settings


def load(model: str = "starter", **settings: Any) -> Studio:
    """Return a studio for the model of that name or path; settings are those of Settings, such as device="cpu".

    The weights load at the first picture. Raises UnknownName or ModelError when there is no such model.
    """
    from easel.models.library import Library

    chosen = read_settings(**settings)
    Library(chosen).find(model)
    return Studio(open_client(chosen), model)


class Studio:
    """A model ready to draw. Close it, or use it as a context manager, to give back its memory."""

    def __init__(self, client: EngineClient, model: str) -> None:
        self._client = client
        self._model = model

    def text_to_image(
        self,
        prompt: str | Sequence[str],
        *,
        negative_prompt: str = "",
        seed: int | None = None,
        steps: int | None = None,
        sampler: str | None = None,
        schedule: str | None = None,
        cfg_scale: float | None = None,
        cfg_rescale: float = 0.0,
        width: int | None = None,
        height: int | None = None,
        batch_size: int = 1,
        noise: Literal["CPU", "NV"] = "CPU",
        sampler_options: dict[str, OptionValue] | None = None,
        schedule_options: dict[str, OptionValue] | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> list[Picture]:
        """Return the pictures of one prompt, or of several that share their forwards, in order.

        Sizes are pixels, multiples of 8; None leaves a choice to the model. Picture i of a batch has seed + i; without
        a seed one is drawn. on_event is called with every event of every run as it happens.
        Raises RequestError for what the asker can fix, ResourceError and ModelError for what they cannot.
        """
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        requests = [
            Request(
                prompt=text,
                negative_prompt=negative_prompt,
                model=self._model,
                seed=seed,
                steps=steps,
                sampler=sampler,
                sampler_options=sampler_options or {},
                schedule=schedule,
                schedule_options=schedule_options or {},
                guidance=Guidance(scale=cfg_scale, rescale=cfg_rescale),
                width=width,
                height=height,
                batch_size=batch_size,
                noise=noise,
            )
            for text in prompts
        ]
        return [picture for result in self.run(requests, on_event=on_event) for picture in result.pictures]

    def run(self, requests: Sequence[Request], *, on_event: Callable[[Event], None] | None = None) -> list[Result]:
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

    def _ending(self, run: str, on_event: Callable[[Event], None] | None) -> Result:
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
