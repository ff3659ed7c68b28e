"""What the routes of this dialect share: the queue, the calls under way, and what each caller has set.

Settings are kept beside the queue, so they outlive the server and are the same on every server of one queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from easel.api.a1111.asked import model_name
from easel.api.a1111.listings import model_meant, module_meant
from easel.api.a1111.options import MODULES, REALM, USUAL, checked, still_known
from easel.api.a1111.tasks import Tasks
from easel.api.doors import Caller, Doors


@dataclass(frozen=True, slots=True)
class House:
    """One server's state of this dialect. tasks: kept in memory and gone with it. looking: held by who draws hints."""

    doors: Doors
    tasks: Tasks = field(default_factory=Tasks)
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def options(self, caller: Caller) -> Mapping[str, Any]:
        """Return what a caller has set; asks the database. Raises StorageError."""
        return still_known(self.doors.store.options(caller.name, REALM))

    async def set_options(self, caller: Caller, given: Mapping[str, Any]) -> None:
        """Keep what a caller sets: all of it, or nothing where one value is refused.

        What they set at the same moment elsewhere stays. Raises RequestError, StorageError.
        """
        found = checked(given)
        for setting, kind in (("sd_model_checkpoint", "checkpoint"), ("sd_vae", "vae")):
            name = model_name(found.get(setting, ""))
            if name:
                found[setting] = await asyncio.to_thread(model_meant, self.doors.library, name, kind)
            elif setting in found:
                found[setting] = USUAL[setting]
        if modules := found.get(MODULES):
            told = [await asyncio.to_thread(module_meant, self.doors.library, one) for one in modules]
            found[MODULES] = [name for _, name in told]
        await asyncio.to_thread(self.doors.store.set_options, caller.name, REALM, found)
