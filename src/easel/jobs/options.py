"""What users have set, kept beside the queue: names and values by user, and by the door whose words they are.

Part of the store. Does not know what any setting means.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, func, insert, select

from easel.core.errors import BadValue
from easel.jobs.database import Database
from easel.jobs.tables import options

LONGEST_NAME = 100  # characters
LONGEST_VALUE = 100_000  # characters as JSON
MOST = 500  # settings of one user at one door


class Options:
    """The side of a store that keeps what users have set."""

    _base: Database

    def options(self, user: str, realm: str) -> dict[str, Any]:
        """Return what a user has set at one door; empty where nothing."""
        question = select(options.c.name, options.c.value).where(options.c.user == user, options.c.realm == realm)
        with self._base.reading() as base:
            return {name: json.loads(value) for name, value in base.execute(question.order_by(options.c.name))}

    def set_options(self, user: str, realm: str, given: Mapping[str, Any]) -> None:
        """Keep these values: all of them or none; others stay, and None takes one back.

        Two who set different names of one user lose nothing. Raises BadValue for a name or value that is too long.
        """
        written = {name: json.dumps(value, ensure_ascii=False) for name, value in given.items()}
        for name, value in written.items():
            if not 1 <= len(name) <= LONGEST_NAME or "\0" in name:
                raise BadValue("setting", name, f"a name of 1 to {LONGEST_NAME} characters")
            if len(value) > LONGEST_VALUE:
                raise BadValue(f"setting {name}", f"{len(value)} characters", f"at most {LONGEST_VALUE}")
        theirs = (options.c.user == user, options.c.realm == realm)
        with self._base.writing() as base:
            base.execute(delete(options).where(*theirs, options.c.name.in_(list(written))))
            rows = [
                {"user": user, "realm": realm, "name": name, "value": value}
                for name, value in written.items()
                if given[name] is not None
            ]
            if rows:
                base.execute(insert(options), rows)
            if base.execute(select(func.count()).select_from(options).where(*theirs)).scalar_one() > MOST:
                raise BadValue("settings", "one more", f"at most {MOST} of a user", remedy="take some back")
