"""From what the page holds to the parts of a request, and back. Knows the tables; knows no widgets.

The page's value is, for each part, a list of rows: the fields that were touched, pictures as data URLs; "off" where a
row does not count for now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from easel.core.errors import BadValue
from easel.core.request import Request
from easel.core.values import Value
from easel.ui.drawn import data_url, file_of
from easel.ui.form import nested
from easel.ui.parts.tables import ANY, PARTS, Field, Part

Row = Mapping[str, Any]


def parts_of(value: Any, names: Iterable[str] = tuple(PARTS)) -> dict[str, Any]:
    """Return the fields of a request that the page's value asks for. Raises BadValue.

    names: of the parts that count.
    """
    found: dict[str, Any] = {}
    for name in names:
        part = PARTS[name]
        rows = value.get(name) if isinstance(value, Mapping) else None
        if not isinstance(rows, list) or not rows:
            continue
        if len(rows) > part.most:
            raise BadValue(name, f"{len(rows)} of them", f"at most {part.most}")
        each = enumerate(row for row in rows if isinstance(row, dict) and not row.get("off"))
        made = tuple(fields_of(part, row, f"{name}[{place}]") for place, row in each)
        if made:
            found[name] = made[0] if part.most == 1 else made
    return found


def fields_of(part: Part, row: Row, where: str) -> dict[str, Any]:
    """Return the fields of one part that its row says; what is not shown does not count. Raises BadValue."""
    flat: dict[str, Any] = {}
    for field in part.fields:
        if field.own or not counts(part, field, row):
            continue
        given = row.get(field.name, part.usual(field))
        value = options_of(row) if field.kind == "options" else value_of(field, given, f"{where}.{field.place}")
        if value is not None:
            flat[field.place] = value
    return nested(flat)


def counts(part: Part, field: Field, row: Row) -> bool:
    """Return whether a field is shown beside what the others say."""
    said = {one.name: row.get(one.name, part.usual(one)) for one in part.fields}
    return all(said[name] in values or (ANY in values and bool(said[name])) for name, values in field.shown.items())


def options_of(row: Row) -> dict[str, Any]:
    """Return the options of a row's preprocessor that were said, as those are known today."""
    from easel.models.readers import preprocessor_named

    said = row.get("options")
    if not isinstance(said, Mapping) or not said:
        return {}
    known = preprocessor_named(str(row.get("preprocessor", "canny"))).options
    return {
        name: int(value) if isinstance(known[name].default, int) and float(value).is_integer() else value
        for name, value in said.items()
        if name in known and isinstance(value, int | float)
    }


def value_of(field: Field, given: Any, where: str) -> Any:
    """Return the value of one field, None where it says nothing. Raises BadValue naming `where`."""
    match field.kind:
        case "picture":
            return file_of(given, where) if given else None
        case "pictures":
            return tuple(file_of(one, where) for one in given or ())
        case "names":
            return names_of(field, given, where)
        case "check":
            return bool(given)
        case "number" if given in (None, ""):
            return None
        case "number" | "range":
            return int(given) if field.whole and float(given).is_integer() else given
        case "choice":
            return given
        case _:
            return given or None


def names_of(field: Field, given: Any, where: str) -> tuple[Any, ...] | None:
    """Return a text of names, or of numbers, parted by commas. Raises BadValue for what is no number."""
    each = [one.strip() for one in given.split(",")] if isinstance(given, str) else list(given or ())
    said = [one for one in each if one != ""]
    if field.name == "classes" or not said:
        return tuple(map(str, said)) or None
    try:
        return tuple(float(one) for one in said)
    except (TypeError, ValueError):
        raise BadValue(where, given, "numbers parted by commas") from None


def shown(request: Request, names: Iterable[str] = tuple(PARTS)) -> dict[str, list[dict[str, Any]]]:
    """Return the page's value for a request: a row for every part it has."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name in names:
        part, given = PARTS[name], getattr(request, name)
        each = given if isinstance(given, tuple) else [given] if given is not None else []
        found[name] = [row_of(part, one) for one in each[: part.most]]
    return found


def row_of(part: Part, value: Value) -> dict[str, Any]:
    """Return the row that shows a part."""
    row: dict[str, Any] = {}
    for field in part.fields:
        if field.own:
            row[field.name] = own_of(part, field, value)
            continue
        found: Any = value
        for name in field.place.split("."):
            found = getattr(found, name, None)
        if isinstance(found, bytes):
            found = data_url(found)
        elif isinstance(found, Mapping):
            found = dict(found)
        elif isinstance(found, tuple):
            urls = [data_url(one) if isinstance(one, bytes) else one for one in found]
            found = ", ".join(map(str, urls)) if field.kind == "names" else urls
        row[field.name] = "" if found is None and field.empty else found
    return row


def own_of(part: Part, field: Field, value: Any) -> str:
    """Return what a field shows that the request does not have: by what it enlarges, what stands behind."""
    if part.name == "enlarge":
        return "size" if value.width or value.height else "scale"
    return "picture" if value.image else "colour" if value.colour else str(part.usual(field))
