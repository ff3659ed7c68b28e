"""Who goes next: the order of what waits. The only place that knows that order.

Larger priorities first. Within one, users take turns: everybody's first job, then everybody's second; who has waited
longest for a turn leads each round, and of those who never had one, who came first. A user's own jobs keep the order
of their ranks. No question here sorts all that waits: ten thousand may.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, func, insert, select, update

from easel.jobs.tables import jobs, turns


class Crowd(NamedTuple):
    """What waits of one user at one priority: how many, when they last had a turn, and their first job's rank."""

    priority: int
    user: str
    waiting: int
    last: int
    rank: int


def crowds(base: Connection, priority: int | None = None, but: Collection[str] = ()) -> list[Crowd]:
    """Return what waits by users and priorities, in the order of their turns; of one priority where given.

    but: users who have no turn now.
    """
    waits = [jobs.c.state == "queued", *([] if priority is None else [jobs.c.priority == priority])]
    few = (
        select(jobs.c.priority, jobs.c.user, func.count().label("waiting"), func.min(jobs.c.rank).label("rank"))
        .where(*waits, *without(but))
        .group_by(jobs.c.priority, jobs.c.user)
        .subquery()
    )
    same = and_(turns.c.user == few.c.user, turns.c.priority == few.c.priority)
    question = select(few.c.priority, few.c.user, few.c.waiting, func.coalesce(turns.c.last, 0), few.c.rank)
    rows = base.execute(question.select_from(few.outerjoin(turns, same))).all()
    return sorted((Crowd(*row) for row in rows), key=lambda crowd: (-crowd.priority, crowd.last, crowd.rank))


class Next(NamedTuple):
    """The job that goes next, by its number, and whose turn it is."""

    number: int
    user: str
    priority: int


def first(base: Connection, running_each: int = 0) -> Next | None:
    """Return the job that goes next, None where none waits that may run.

    running_each: how many jobs of one user may run at once; who has as many is passed over. 0 for any number.
    """
    busy = at_work(base, running_each) if running_each else []
    waits = select(func.max(jobs.c.priority)).where(jobs.c.state == "queued", *without(busy))
    highest = base.execute(waits).scalar()
    if highest is None:
        return None
    one = crowds(base, highest, busy)[0]
    theirs = (jobs.c.state == "queued", jobs.c.priority == one.priority, jobs.c.user == one.user)
    number = base.execute(select(jobs.c.number).where(*theirs, jobs.c.rank == one.rank)).scalar_one()
    return Next(number, one.user, one.priority)


def at_work(base: Connection, most: int) -> list[str]:
    """Return the users of whom `most` jobs run, or more."""
    running = select(jobs.c.user).where(jobs.c.state == "running").group_by(jobs.c.user)
    return list(base.execute(running.having(func.count() >= most)).scalars())


def without(users: Collection[str]) -> list[ColumnElement[bool]]:
    """Return the condition that a job is none of these users'."""
    return [jobs.c.user.not_in(users)] if users else []


def places(base: Connection, numbers: Sequence[int]) -> dict[int, int]:
    """Return how many jobs go before each of these that waits, by number, as long as nobody else comes.

    Who is passed over for having enough at work keeps their place; others may then begin before them.
    """
    earlier = jobs.alias()
    own = select(func.count()).where(
        earlier.c.state == "queued",
        earlier.c.priority == jobs.c.priority,
        earlier.c.user == jobs.c.user,
        earlier.c.rank < jobs.c.rank,
    )
    question = select(jobs.c.number, jobs.c.priority, jobs.c.user, own.scalar_subquery().label("round"))
    rows = base.execute(question.where(jobs.c.number.in_(numbers), jobs.c.state == "queued")).all()
    order = crowds(base) if rows else []
    return {row.number: ahead(order, row.priority, row.user, row.round) for row in rows}


def ahead(order: Sequence[Crowd], priority: int, user: str, round: int) -> int:
    """Return how many jobs go before a user's job that has `round` of their own before it."""
    before, past = 0, False
    for crowd in order:
        past = past or (crowd.priority, crowd.user) == (priority, user)
        if crowd.priority > priority:
            before += crowd.waiting
        elif crowd.priority == priority:
            before += min(crowd.waiting, round if past else round + 1)
    return before


def take_turn(base: Connection, user: str, priority: int) -> None:
    """Note that a user has had a turn at a priority."""
    latest = (base.execute(select(func.max(turns.c.last))).scalar() or 0) + 1
    where = (turns.c.user == user, turns.c.priority == priority)
    if not base.execute(update(turns).where(*where).values(last=latest)).rowcount:
        base.execute(insert(turns).values(user=user, priority=priority, last=latest))


def move(base: Connection, number: int, place: int) -> None:
    """Give a waiting job a place, from 0, among the waiting jobs of its user and priority; too far is the last."""
    ours = select(jobs.c.user, jobs.c.priority).where(jobs.c.number == number)
    user, priority = base.execute(ours).one()
    theirs = (jobs.c.state == "queued", jobs.c.user == user, jobs.c.priority == priority)
    rows = base.execute(select(jobs.c.number, jobs.c.rank).where(*theirs).order_by(jobs.c.rank)).all()
    order = [row.number for row in rows if row.number != number]
    order.insert(place, number)
    for row, moved in zip(rows, order, strict=True):
        if row.number != moved:
            base.execute(update(jobs).where(jobs.c.number == moved).values(rank=row.rank))
