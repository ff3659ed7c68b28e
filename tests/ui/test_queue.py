"""What the lists of the tab "queue" are told of a job."""

from __future__ import annotations

from pathlib import Path

import pytest

from easel.core.caller import Caller
from easel.core.request import Request
from easel.jobs.job import ErrorFacts
from easel.ui.queue import shown
from easel.ui.words import words_of
from tests.ui.houses import house_in


@pytest.mark.parametrize(("language", "line"), [("en", "out of memory."), ("ko", "메모리가 부족해요. ")])
def test_why_a_job_failed_is_told_in_the_pages_language(language: str, line: str, tmp_path: Path) -> None:
    with house_in(tmp_path) as house:
        job = house.store.submit(Request(prompt="a fox"), "ann")
        claimed = house.store.claim("w")
        assert claimed is not None and claimed.id == job.id
        assert house.store.fail(job.id, "w", ErrorFacts("OutOfMemory", "out of memory."))
        told = shown(house.store.get(job.id), Caller("ann", admin=False), words_of(language))
    assert told["state"] == "failed"
    assert told["error"].startswith(line) and told["error"].endswith("out of memory.")
