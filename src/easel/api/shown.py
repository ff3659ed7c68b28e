"""What Easel's own API tells of jobs, models and names to choose: the shapes of its answers, filled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from easel.core.client import Progressed
from easel.core.errors import ModelError
from easel.core.registry import Entry as Registered
from easel.core.request import Request
from easel.jobs.job import Job, State
from easel.models.library.names import Entry
from easel.prompt.styles import Style

# A request is told without the pictures that came with it: a list of jobs would weigh as much as they do.
PICTURES_IN = {"start": {"image": True}, "mask": {"image": True}}


class Shown(BaseModel):
    """One answer."""

    model_config = ConfigDict(frozen=True)


class ProgressShown(Shown):
    """How far a job is: steps done of all, calls of the model, seconds so far, and an estimate of those left."""

    step: int
    steps: int
    evaluations: int
    seconds: float
    seconds_left: float | None = Field(description="None before the first step.")


class ErrorShown(Shown):
    """Why a job failed."""

    kind: str
    message: str


class PictureShown(Shown):
    """A finished picture. url: where its file is fetched, below the server's address."""

    number: int
    url: str
    seed: int
    width: int
    height: int
    bytes: int
    infotext: str
    favourite: bool


class JobShown(Shown):
    """A job. created, started, ended: seconds since 1970. place: jobs before it in the queue.

    film: where the film of a finished clip is fetched, below the server's address; None for what is no clip.
    request: as it was asked, with seeds drawn, without the pictures that came with it.
    """

    id: str
    user: str
    state: State
    priority: int
    created: float
    started: float | None
    ended: float | None
    attempts: int
    place: int | None
    progress: ProgressShown | None
    error: ErrorShown | None
    pictures: list[PictureShown]
    film: str | None
    request: dict[str, Any]


class JobsShown(Shown):
    """Jobs, the latest first. next: what to give as `before` for those that came earlier, None at the end."""

    jobs: list[JobShown]
    next: str | None


class ModelShown(Shown):
    """A model or another file by its name, which is its id, also in the words of OpenAI's API.

    read: whether its header was read; what only that tells is None before. problem: why it cannot be used.
    """

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["easel"] = "easel"
    kind: str
    bytes: int
    read: bool
    family: str | None = None
    variant: str | None = None
    prediction: str | None = None
    dtype: str | None = None
    inpaints: bool | None = None
    fits: list[str] = []
    missing: list[str] = []
    problem: str | None = None


class ModelsShown(Shown):
    """What stands in the model folders."""

    object: Literal["list"] = "list"
    data: list[ModelShown]


class ChoiceShown(Shown):
    """A sampler, a schedule, an upscaler or a preprocessor. options: its own settings with their defaults."""

    name: str
    aliases: list[str]
    options: dict[str, bool | int | float | str]
    schedule: str | None = None
    works_on: str | None = None


class StyleShown(Shown):
    """A named piece of prompt."""

    name: str
    prompt: str
    negative_prompt: str


class HealthShown(Shown):
    """That the house lives, and its queue with it."""

    status: Literal["ok"] = "ok"


class ErrorFacts(BaseModel):
    """What was wrong. kind: the class of the error. field, allowed: where one value was at fault."""

    model_config = ConfigDict(extra="allow")

    kind: str
    message: str


class Wrong(Shown):
    """An error."""

    error: ErrorFacts


def shown_job(job: Job) -> JobShown:
    """Return what is told of a job."""
    return JobShown(
        id=job.id,
        user=job.user,
        state=job.state,
        priority=job.priority,
        created=job.created,
        started=job.started,
        ended=job.ended,
        attempts=job.attempts,
        place=job.place,
        progress=progress_shown(job.progress) if job.progress else None,
        error=ErrorShown(kind=job.error.kind, message=job.error.message) if job.error else None,
        pictures=[
            PictureShown(
                number=number,
                url=f"/v1/jobs/{quote(job.id)}/pictures/{number}",
                seed=kept.seed,
                width=kept.width,
                height=kept.height,
                bytes=kept.bytes,
                infotext=kept.infotext,
                favourite=kept.favourite,
            )
            for number, kept in enumerate(job.pictures)
        ],
        film=f"/v1/jobs/{quote(job.id)}/film" if job.request.motion and job.pictures else None,
        request=request_shown(job.request),
    )


def request_shown(request: Request) -> dict[str, Any]:
    """Return a request without its pictures, and without the parts that it does not have."""
    return request.model_dump(mode="json", exclude=PICTURES_IN, exclude_none=True)


def progress_shown(progress: Progressed) -> ProgressShown:
    """Return what is told of progress."""
    return ProgressShown(
        step=progress.step,
        steps=progress.steps,
        evaluations=progress.evaluations,
        seconds=round(progress.seconds, 3),
        seconds_left=None if progress.seconds_left is None else round(progress.seconds_left, 3),
    )


def shown_model(entry: Entry) -> ModelShown:
    """Return what is told of a file in the model folders; its place on the disk is nobody's business."""
    found = entry.found
    facts: dict[str, Any] = {"id": entry.name, "kind": entry.kind, "bytes": found.size}
    facts |= {"created": found.changed // 10**9, "read": entry.row is not None}
    try:
        identity = entry.identity()
    except ModelError as error:
        return ModelShown(**facts, problem=error.message.replace(found.path, entry.name))
    if identity is not None:
        names = ("family", "variant", "prediction", "dtype", "inpaints")
        facts |= {name: getattr(identity, name) for name in names}
        facts |= {"fits": list(identity.fits), "missing": list(identity.missing)}
    return ModelShown(**facts)


def shown_choice(entry: Registered[Any]) -> ChoiceShown:
    """Return what is told of something registered by name."""
    facts: Mapping[str, Any] = entry.facts
    options = {name: finite(option.default) for name, option in entry.options.items()}
    more = {fact: facts.get(fact) for fact in ("schedule", "works_on")}
    return ChoiceShown(name=entry.name, aliases=list(entry.aliases), options=options, **more)


def finite(value: Any) -> Any:
    """Return `value`, as text where JSON has no word for it."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def shown_style(style: Style) -> StyleShown:
    """Return what is told of a style."""
    return StyleShown(name=style.name, prompt=style.prompt, negative_prompt=style.negative)
