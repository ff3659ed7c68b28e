"""What the routes of this dialect share: the queue, the calls under way, and what each caller has set."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from easel.api.a1111.asked import model_name
from easel.api.a1111.listings import model_meant
from easel.api.a1111.options import USUAL, checked
from easel.api.a1111.tasks import Tasks
from easel.api.doors import Caller, Doors


@dataclass(frozen=True, slots=True)
class House:
    """One server's state of this dialect; kept in memory and gone with it."""

    doors: Doors
    tasks: Tasks = field(default_factory=Tasks)
    _kept: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    def options(self, caller: Caller) -> Mapping[str, Any]:
        """Return what a caller has set."""
        return self._kept.get(caller.name, {})

    async def set_options(self, caller: Caller, given: Mapping[str, Any]) -> None:
        """Keep what a caller sets: all of it, or nothing where one value is refused. Raises RequestError."""
        found = checked(given)
        for setting, kind in (("sd_model_checkpoint", "checkpoint"), ("sd_vae", "vae")):
            name = model_name(found.get(setting, ""))
            if name:
                found[setting] = await asyncio.to_thread(model_meant, self.doors.library, name, kind)
            elif setting in found:
                found[setting] = USUAL[setting]
        self._kept[caller.name] = {**self.options(caller), **found}
