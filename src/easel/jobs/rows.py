"""Between rows of the database and the values of job.py; nothing here decides anything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, insert, select

from easel.core.client import Progressed
from easel.core.request import Request
from easel.jobs.job import ErrorFacts, Job, Kept, Standing
from easel.jobs.line import places
from easel.jobs.tables import favourites, jobs, pictures, requests

FEW = 500  # numbers named in one question


def read_jobs(base: Connection, numbers: Sequence[int]) -> list[Job]:
    """Return the jobs of these numbers, in their order; numbers that are gone are left out."""
    found: dict[int, Job] = {}
    for at in range(0, len(numbers), FEW):
        found |= read_few(base, numbers[at : at + FEW])
    return [found[number] for number in numbers if number in found]


def read_few(base: Connection, numbers: Sequence[int]) -> dict[int, Job]:
    """Return the jobs of a few numbers."""
    both = select(jobs, requests.c.body).join(requests).where(jobs.c.number.in_(numbers))
    rows = base.execute(both).all()
    kept: dict[int, list[Kept]] = {}
    done = [row.number for row in rows if row.state == "done"]  # no other job has pictures
    if done:
        theirs = with_favourites(pictures.c.job.in_(done)).order_by(pictures.c.job, pictures.c.place)
        for row in base.execute(theirs):
            kept.setdefault(row.job, []).append(kept_of(row))
    waiting = [row.number for row in rows if row.state == "queued"]
    ahead = places(base, waiting) if waiting else {}
    return {row.number: job_of(row, tuple(kept.get(row.number, ())), ahead.get(row.number)) for row in rows}


def with_favourites(condition: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Return the question for some pictures, and for each whether it is a favourite."""
    liked = and_(favourites.c.job == pictures.c.job, favourites.c.place == pictures.c.place)
    question = select(pictures, favourites.c.job.is_not(None).label("favourite"))
    return question.select_from(pictures.outerjoin(favourites, liked)).where(condition)


def kept_of(row: Any) -> Kept:
    """Return a row of with_favourites() as a picture."""
    return Kept(row.file, row.seed, row.infotext, row.width, row.height, row.bytes, bool(row.favourite))


def read_standings(base: Connection, ids: Sequence[str]) -> list[tuple[str, Standing]]:
    """Return where the jobs of a few ids stand."""
    columns = (jobs.c.id, jobs.c.number, jobs.c.state, jobs.c.attempts, jobs.c.progress)
    rows = base.execute(select(*columns).where(jobs.c.id.in_(ids))).all()
    waiting = [row.number for row in rows if row.state == "queued"]
    ahead = places(base, waiting) if waiting else {}
    return [(row.id, Standing(row.state, row.attempts, steps(row.progress), ahead.get(row.number))) for row in rows]


def steps(kept: str | None) -> Progressed | None:
    """Return progress as it was kept."""
    return Progressed(**json.loads(kept)) if kept else None


def job_of(row: Any, kept: tuple[Kept, ...], place: int | None) -> Job:
    """Return a row as a job."""
    return Job(
        id=row.id,
        user=row.user,
        state=row.state,
        request=Request.model_validate_json(row.body),
        priority=row.priority,
        created=row.created,
        started=row.started,
        ended=row.ended,
        attempts=row.attempts,
        worker=row.worker,
        error=ErrorFacts(**json.loads(row.error)) if row.error else None,
        pictures=kept,
        progress=steps(row.progress),
        place=place,
        stem=row.stem,
    )


def write_request(base: Connection, number: int, id: str, request: Request) -> None:
    """Keep a request, and the words by which its job is found again."""
    said = (id, request.prompt, request.negative_prompt, request.model)
    words = searchable("\n".join(said))
    base.execute(insert(requests).values(job=number, body=request.model_dump_json(), words=words))


def write_pictures(base: Connection, number: int, kept: Sequence[Kept]) -> None:
    """Keep the pictures of a job, in their order."""
    if kept:
        rows = [{"job": number, "place": at, **asdict(one)} for at, one in enumerate(kept)]
        base.execute(insert(pictures), [{name: row[name] for name in pictures.c.keys()} for row in rows])  # noqa: SIM118


def searchable(text: str) -> str:
    """Return text as it is compared in a search; PostgreSQL keeps no NUL in a text."""
    return text.casefold().replace("\0", " ")
