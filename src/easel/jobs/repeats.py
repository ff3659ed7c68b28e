"""Requests that come again: which jobs were asked the very same, under the very same circumstances, and are done.

Part of the store. Knows rows and no files; jobs/repeating.py gives their pictures to a new job.
"""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, insert, select

from easel.core.request import Request
from easel.jobs.database import Database
from easel.jobs.job import Job
from easel.jobs.rows import read_jobs
from easel.jobs.tables import jobs, repeats

MOST = 4  # jobs that are looked at: of older ones the files are likely gone too


class Repeats:
    """The side of a store that knows what was asked before."""

    _base: Database

    def done_alike(self, request: Request, user: str, circumstances: str) -> list[Job]:
        """Return a user's latest jobs that are done and were asked the very same, the latest first.

        request: settled. circumstances: as they were told when the jobs were submitted.
        """
        digest = digest_of(request, user, circumstances)
        question = select(jobs.c.number).join(repeats).where(repeats.c.digest == digest)
        question = question.where(jobs.c.user == user, jobs.c.state == "done")
        with self._base.reading() as base:
            return read_jobs(base, list(base.execute(question.order_by(repeats.c.job.desc()).limit(MOST)).scalars()))


def digest_of(request: Request, user: str, circumstances: str) -> str:
    """Return by what a request is found again: every field of it, whose it is, and what its pictures depend on."""
    parts = (circumstances, user, request.model_dump_json())
    digests = (hashlib.sha256(part.encode(errors="surrogatepass")).digest() for part in parts)
    return hashlib.sha256(b"".join(digests)).hexdigest()


def write_repeat(base: Connection, number: int, digest: str) -> None:
    """Keep by what a job is found when its request comes again."""
    base.execute(insert(repeats).values(job=number, digest=digest))
