"""What has been: jobs listed and searched, pictures by day, favourites, and what is forgotten when it is old.

Part of the store. Knows rows and no files: jobs/pruning.py takes those away that belong to forgotten jobs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, delete, func, insert, select

from easel.core.errors import BadValue, UnknownJob, UnknownName
from easel.jobs.database import Database
from easel.jobs.job import ENDED, STATES, Job, State
from easel.jobs.rows import FEW, read_jobs, searchable
from easel.jobs.tables import favourites, jobs, leavings, pictures, requests

MOST_LISTED = 1000
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class Day(NamedTuple):
    """The pictures of one day: when they were asked for, YYYY-MM-DD; how many; their bytes together."""

    day: str
    pictures: int
    bytes: int


class Shot(NamedTuple):
    """A picture of a day: whose it is, its file below the album's folder, its seed."""

    user: str
    file: str
    seed: int


class Old(NamedTuple):
    """A job that may be forgotten: when it ended, in seconds since 1970, and the bytes of its pictures."""

    id: str
    ended: float
    bytes: int


class History:
    """The side of a store that looks back. `user` as None stands for whoever may see everything."""

    _base: Database

    def list(
        self,
        user: str | None = None,
        states: Iterable[State] = (),
        search: str = "",
        before: str | None = None,
        limit: int = 50,
        *,
        favourites: bool = False,
        day: str | None = None,
    ) -> list[Job]:
        """Return jobs, the latest first.

        states: only these, all where empty. search: words that all stand in prompt, negative prompt, model or id.
        before: the id of a job that came later, for the next page. favourites: only jobs with a picture that is one.
        day: only what was asked for on that day, YYYY-MM-DD. Raises BadValue, UnknownName, UnknownJob.
        """
        if not 1 <= limit <= MOST_LISTED:
            raise BadValue("limit", limit, f"1 to {MOST_LISTED}")
        question = listing(user, checked(states), search, favourites, day).limit(limit)
        with self._base.reading() as base:
            if before is not None:
                question = question.where(jobs.c.number < number_of(base, before, user))
            return read_jobs(base, list(base.execute(question).scalars()))

    def days(self, user: str | None = None) -> list[Day]:
        """Return the days of which there are pictures, the latest first."""
        with self._base.reading() as base:
            return [Day(*row) for row in base.execute(by_day(user))]

    def shots(self, day: str, user: str | None = None) -> list[Shot]:
        """Return the pictures of a day in the order in which they were asked for. Raises BadValue for what is none."""
        question = select(jobs.c.user, pictures.c.file, pictures.c.seed).join(pictures).where(*on(day))
        if user is not None:
            question = question.where(jobs.c.user == user)
        with self._base.reading() as base:
            return [Shot(*row) for row in base.execute(question.order_by(jobs.c.number, pictures.c.place))]

    def favourite(self, id: str, place: int, liked: bool = True, user: str | None = None) -> Job:
        """Say whether a picture of a job is a favourite, and return the job; such jobs are never pruned.

        place: which picture, from 0. Raises UnknownJob, BadValue where the job has no such picture.
        """
        with self._base.writing() as base:
            number = number_of(base, id, user)
            there = base.execute(select(func.count()).where(pictures.c.job == number)).scalar_one()
            if not 0 <= place < there:
                raise BadValue(f"picture of job {id}", place, f"0 to {there - 1}" if there else "none: it has none")
            which = (favourites.c.job == number, favourites.c.place == place)
            base.execute(delete(favourites).where(*which))
            if liked:
                base.execute(insert(favourites).values(job=number, place=place))
            return read_jobs(base, [number])[0]

    def prunable(self, ended_before: float | None = None, most_bytes: int | None = None) -> list[Old]:
        """Return the ended jobs that are too old, or whose pictures are more than `most_bytes` with the later ones.

        ended_before: seconds since 1970. The latest to end are kept first. Jobs that wait or run, and jobs with a
        favourite, are never named and never counted.
        """
        if ended_before is None and most_bytes is None:
            return []
        question = ended_jobs()
        if most_bytes is None:
            question = question.where(jobs.c.ended < ended_before)
        with self._base.reading() as base:
            chosen: list[Old] = []
            room = most_bytes
            for row in base.execute(question):
                one = Old(row.id, row.ended, int(row.size))
                room = None if room is None else room - one.bytes
                old = ended_before is not None and one.ended < ended_before
                if old or (room is not None and room < 0):
                    chosen.append(one)
            return chosen

    def forget(self, ids: Iterable[str]) -> int:
        """Take ended jobs without favourites out of the history, and return how many; others stay.

        In the same moment their files become leavings(), so that a death in between leaves none of them for ever.
        """
        wanted = list(ids)
        with self._base.writing() as base:
            return sum(forget_few(base, wanted[at : at + FEW]) for at in range(0, len(wanted), FEW))

    def leavings(self) -> list[str]:
        """Return what the files of forgotten jobs are named by, as Job.stem, until swept() is told they are gone."""
        with self._base.reading() as base:
            return list(base.execute(select(leavings.c.stem).order_by(leavings.c.stem)).scalars())

    def swept(self, stems: Collection[str]) -> None:
        """Note that the files of these names are gone."""
        with self._base.writing(lasting=False) as base:
            for stem in stems:
                base.execute(delete(leavings).where(leavings.c.stem == stem))


def listing(user: str | None, states: Collection[State], search: str, liked: bool, day: str | None) -> Select[int]:
    """Return the question for the numbers of jobs, the latest first. Raises BadValue for what is no day."""
    question = select(jobs.c.number).order_by(jobs.c.number.desc())
    if user is not None:
        question = question.where(jobs.c.user == user)
    if states:
        question = question.where(jobs.c.state.in_(states))
    if liked:
        question = question.where(jobs.c.number.in_(select(favourites.c.job)))
    if day is not None:
        question = question.where(*on(day))
    if words := searchable(search).split():
        question = question.join(requests)
        for word in words:
            question = question.where(requests.c.words.contains(word, autoescape=True))
    return question


def by_day(user: str | None) -> Select[str, int, int]:
    """Return the question for days with their counts and bytes, the latest first."""
    if user is None:  # a file's name begins with its day, so that no job need be looked at
        day = func.substr(pictures.c.file, 1, 10)
        question = select(day, func.count(), func.sum(pictures.c.bytes))
    else:
        day = func.substr(jobs.c.stem, 1, 10)
        question = select(day, func.count(), func.sum(pictures.c.bytes)).select_from(jobs.join(pictures))
        question = question.where(jobs.c.user == user)
    return question.group_by(day).order_by(day.desc())


def on(day: str) -> tuple[Any, ...]:
    """Return the condition that a job was submitted on a day. Raises BadValue for what is none."""
    if not DAY.fullmatch(day):
        raise BadValue("day", day, "YYYY-MM-DD")
    return jobs.c.stem > f"{day}/", jobs.c.stem < f"{day}/~"


def ended_jobs() -> Select[str, Any, int]:
    """Return the question for jobs that may be forgotten and the bytes of their pictures, the latest to end first."""
    liked = select(favourites.c.job)
    return (
        select(jobs.c.id, jobs.c.ended, func.coalesce(func.sum(pictures.c.bytes), 0).label("size"))
        .outerjoin(pictures)
        .where(jobs.c.state.in_(ENDED), jobs.c.number.not_in(liked))
        .group_by(jobs.c.number, jobs.c.id, jobs.c.ended)
        .order_by(jobs.c.ended.desc(), jobs.c.number.desc())
    )


def forget_few(base: Connection, ids: Collection[str]) -> int:
    """Forget a few jobs, if they may be, and note what their files are named by; return how many."""
    liked = select(favourites.c.job)
    asked = select(jobs.c.number, jobs.c.stem)
    rows = base.execute(asked.where(jobs.c.id.in_(ids), jobs.c.state.in_(ENDED), jobs.c.number.not_in(liked))).all()
    if rows:
        base.execute(insert(leavings), [{"stem": row.stem} for row in rows])
        base.execute(delete(jobs).where(jobs.c.number.in_([row.number for row in rows])))
    return len(rows)


def number_of(base: Connection, id: str, user: str | None) -> int:
    """Return the number of a job that a user may see; raises UnknownJob."""
    theirs = [] if user is None else [jobs.c.user == user]
    number = base.execute(select(jobs.c.number).where(jobs.c.id == id, *theirs)).scalar()
    if number is None:
        raise UnknownJob(id)
    return number


def checked(states: Iterable[State]) -> tuple[State, ...]:
    """Return names of states; raises UnknownName for what is none."""
    wanted = tuple(states)
    for state in wanted:
        if state not in STATES:
            raise UnknownName("state", state, STATES)
    return wanted
