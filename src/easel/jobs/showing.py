"""Finished pictures as a gallery shows them: page after page, without what was asked, which may hold pictures itself.

Part of the store. Knows rows and no files.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, select

from easel.core.errors import BadValue, UnknownJob
from easel.jobs.database import Database
from easel.jobs.history import MOST_LISTED, listing, number_of
from easel.jobs.job import Kept
from easel.jobs.rows import FEW, kept_of, with_favourites
from easel.jobs.tables import favourites, jobs, pictures


class Look(NamedTuple):
    """A finished picture at a look. job, number: its job's id and which of its pictures, from 0.

    created: when it was asked for, in seconds since 1970. day: the same, as YYYY-MM-DD.
    """

    job: str
    number: int
    user: str
    created: float
    day: str
    kept: Kept


class Looks(NamedTuple):
    """Some pictures, and what to give as `before` for those that came earlier; None where there are none."""

    pictures: list[Look]
    next: str | None


class Showing:
    """The side of a store that shows pictures. `user` as None stands for whoever may see everything."""

    _base: Database

    def pictures(
        self,
        user: str | None = None,
        search: str = "",
        before: str | None = None,
        limit: int = 60,
        *,
        liked: bool = False,
        day: str | None = None,
    ) -> Looks:
        """Return the pictures of `limit` finished jobs, the latest job first.

        search, before, day: as in History.list. liked: only favourites. Raises BadValue, UnknownJob.
        """
        if not 1 <= limit <= min(MOST_LISTED, FEW):
            raise BadValue("limit", limit, f"1 to {min(MOST_LISTED, FEW)}")
        wanted = listing(user, ("done",), search, liked, day).limit(limit)
        with self._base.reading() as base:
            if before is not None:
                wanted = wanted.where(jobs.c.number < number_of(base, before, user))
            numbers = list(base.execute(wanted).scalars())
            only = [favourites.c.job.is_not(None)] if liked else []
            found = looks(base, jobs.c.number.in_(numbers), *only)
            last = numbers[-1] if len(numbers) == limit else None
            earlier = (
                base.execute(select(jobs.c.id).where(jobs.c.number == last)).scalar() if last is not None else None
            )
        return Looks(found, earlier)

    def picture(self, id: str, place: int, user: str | None = None) -> Look:
        """Return a finished picture of a job, from 0. Raises UnknownJob, also where the job has no such picture."""
        theirs = [] if user is None else [jobs.c.user == user]
        with self._base.reading() as base:
            found = looks(base, jobs.c.id == id, pictures.c.place == place, *theirs)
        if not found:
            raise UnknownJob(id)
        return found[0]


def looks(base: Connection, *conditions: ColumnElement[bool]) -> list[Look]:
    """Return the pictures for which all conditions hold, those of the latest job first."""
    question = with_favourites(and_(*conditions)).join(jobs, jobs.c.number == pictures.c.job)
    question = question.add_columns(jobs.c.id, jobs.c.user, jobs.c.created, jobs.c.stem)
    rows = base.execute(question.order_by(jobs.c.number.desc(), pictures.c.place)).all()
    return [look_of(row) for row in rows]


def look_of(row: Any) -> Look:
    """Return a row of looks() as a picture."""
    return Look(row.id, row.place, row.user, row.created, row.stem[:10], kept_of(row))
