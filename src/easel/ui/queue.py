"""The tab "queue": what runs, what waits and in which order, and what has been; one's own, an admin's everybody's.

The lists are drawn by js/queue.js, which asks the functions here. Knows the store, and no database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

import gradio as gr
from pydantic import Field

from easel.core.caller import Caller
from easel.core.client import Progressed
from easel.core.limits import Name
from easel.core.values import Value
from easel.jobs.job import ENDED, Job, State
from easel.jobs.store import Store
from easel.ui import links
from easel.ui.house import caller_of
from easel.ui.live import Function, Wishes, live
from easel.ui.tab import Page, Sent, Tab, failure
from easel.ui.words import Words

ACTIVE: tuple[State, ...] = ("running", "queued")
MOST_ACTIVE = 100  # jobs that run or wait and are shown
PAGE = 30  # jobs of the history that come at once
FEW = 8  # small pictures of one job
LONGEST_PROMPT = 200  # characters
STATE = {"all": ENDED, **{state: (state,) for state in ENDED}}


class Asked(Value):
    """Which ended jobs are to be shown. before: what the page before gave as `next`. mine: none of others."""

    state: Literal["all", "done", "failed", "cancelled"] = "all"
    search: Name = ""
    before: Name | None = None
    mine: bool = False


class Watched(Value):
    """Jobs whose standing is asked for, by id."""

    jobs: Annotated[tuple[Name, ...], Field(max_length=2 * MOST_ACTIVE)]


class One(Value):
    """One job, by id."""

    job: Name


class Moved(One):
    """A waiting job, and its place among those of its user, from 0."""

    place: Annotated[int, Field(ge=0, le=10**6)]


def build(page: Page) -> None:
    """Make the tab's one widget."""
    store = page.house.store
    lists = live(page, "queue", answers(store, page.say), events=["to_create"])

    def give(event: gr.EventData, request: gr.Request) -> Sent:
        job = store.get(One.model_validate(event._data).job, caller_of(request).sees)
        return Sent(job.request, job=job.id)

    page.send(lists.to_create, "create", give, [])


def answers(store: Store, say: Words) -> Sequence[Function]:
    """Return what the script may ask."""

    def seen(job: Job, caller: Caller) -> dict[str, Any]:
        return shown(job, caller, say)

    def active(wishes: Wishes, caller: Caller) -> dict[str, Any]:
        found = store.list(whose(caller, Asked.model_validate(wishes).mine), ACTIVE, limit=MOST_ACTIVE)
        found.sort(key=lambda job: (job.state == "queued", job.place or 0, job.created))
        return {"jobs": [seen(job, caller) for job in found], "all": caller.admin and bool(caller.name)}

    def standings(wishes: Wishes, caller: Caller) -> dict[str, Any]:
        found = store.standings(Watched.model_validate(wishes).jobs)
        return {
            id: {"state": one.state, "place": one.place, "progress": told(one.progress)} for id, one in found.items()
        }

    def history(wishes: Wishes, caller: Caller) -> dict[str, Any]:
        asked = Asked.model_validate(wishes)
        found = store.list(whose(caller, asked.mine), STATE[asked.state], asked.search, asked.before, PAGE)
        return {"jobs": [seen(job, caller) for job in found], "next": found[-1].id if len(found) == PAGE else None}

    def cancel(wishes: Wishes, caller: Caller) -> dict[str, Any]:
        return seen(store.cancel(One.model_validate(wishes).job, caller.sees), caller)

    def retry(wishes: Wishes, caller: Caller) -> dict[str, Any]:
        return seen(store.retry(One.model_validate(wishes).job, caller.sees), caller)

    def move(wishes: Wishes, caller: Caller) -> dict[str, Any]:
        asked = Moved.model_validate(wishes)
        return seen(store.move(asked.job, asked.place, caller.sees), caller)

    return active, standings, history, cancel, retry, move


def whose(caller: Caller, mine: bool) -> str | None:
    """Return whose jobs are shown, in the store's words."""
    return caller.name if mine else caller.sees


def told(progress: Progressed | None) -> dict[str, Any] | None:
    """Return progress as the script draws it."""
    return asdict(progress) if progress else None


def shown(job: Job, caller: Caller, say: Words) -> dict[str, Any]:
    """Return what the lists need of a job, why it failed in the page's language."""
    asked = job.request
    prompt = " ".join(asked.prompt.split())
    return {
        "id": job.id,
        "user": job.user if job.user != caller.name else "",
        "whose": f"{job.user}/{job.priority}",
        "state": job.state,
        "created": job.created,
        "seconds": job.ended - job.started if job.ended and job.started else None,
        "place": job.place,
        "progress": told(job.progress),
        "error": failure(job.error.kind, job.error.message, say) if job.error else "",
        "prompt": prompt if len(prompt) <= LONGEST_PROMPT else prompt[: LONGEST_PROMPT - 1] + "…",
        "model": asked.model,
        "width": asked.width,
        "height": asked.height,
        "count": asked.batch_size,
        "pictures": [
            {"small": links.small(job.id, number), "picture": links.picture(job.id, number)}
            for number in range(min(FEW, len(job.pictures)))
        ],
        "more": max(0, len(job.pictures) - FEW),
    }


TAB = Tab("queue", build)
