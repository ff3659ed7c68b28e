"""The names under which infotext keeps sampler and schedule options; one table for writing and for reading.

Names are A1111's where it has one. What the other fields of an infotext mean stands in prompt/recall.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from easel.core.limits import OptionValue

Fields = dict[str, str | int | float]

# A1111 writes "Beta schedule alpha", and looks for it under another name; both are read.
NAMES: Mapping[str, Mapping[str, str]] = {
    "Sampler": {
        "eta": "Eta",
        "s_churn": "Sigma churn",
        "s_tmin": "Sigma tmin",
        "s_tmax": "Sigma tmax",
        "s_noise": "Sigma noise",
    },
    "Schedule": {
        "sigma_min": "Schedule min sigma",
        "sigma_max": "Schedule max sigma",
        "rho": "Schedule rho",
        "alpha": "Beta schedule alpha",
        "beta": "Beta schedule beta",
    },
}
OTHER_NAMES: Mapping[str, tuple[str, str]] = {
    "Eta DDIM": ("Sampler", "eta"),
    "Beta scheduler alpha": ("Schedule", "alpha"),
    "Beta scheduler beta": ("Schedule", "beta"),
}
HIRES = "Hires "  # before the names of the second pass's options


def named(options: Mapping[str, OptionValue], owner: str) -> Fields:
    """Return options of the "Sampler" or the "Schedule" under their infotext names; yes and no as A1111 writes them.

    An option without a name of A1111's is written with its owner's before it.
    """
    return {
        NAMES[owner].get(name, f"{owner} {name.replace('_', ' ')}"): str(value) if isinstance(value, bool) else value
        for name, value in options.items()
    }


def option_named(field: str) -> tuple[str, str] | None:
    """Return the place in a request, such as ("sampler_options", "eta"), of the option that `field` holds; or None.

    Options of the second pass stand in "hires.sampler_options" and "hires.schedule_options".
    """
    before = "hires." if field.startswith(HIRES) else ""
    field = field.removeprefix(HIRES) if before else field
    found = OTHER_NAMES.get(field)
    for owner, names in NAMES.items():
        for option, name in names.items():
            if name == field:
                found = owner, option
    if found is None:
        owner, _, option = field.partition(" ")
        owner = owner.capitalize() if before else owner  # "Hires sampler" is how A1111 spells it
        if owner not in NAMES or not option or option == "type":
            return None
        found = owner, option.replace(" ", "_")
    return f"{before}{found[0].lower()}_options", found[1]


def option_value(text: str) -> OptionValue:
    """Return the value that an option's text stands for: true or false, a whole number, a finite number, or text."""
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if isfinite(value):
            return value
    return text
