"""Values checked when made, whose faults are told in Easel's own words.

The one place that knows how pydantic words its findings; it does not know which values there are.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails

from easel.core.errors import BadValue, RequestError, UnknownName


class Value(BaseModel):
    """A frozen value; raises BadValue or UnknownName, never pydantic's own error, when a field is wrong.

    spoken: what stands before a field's name in a message.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    spoken: ClassVar[str] = ""

    def changed(self, **fields: Any) -> Self:
        """Return this value with other fields, checked as if made anew."""
        return type(self).model_validate({**dict(self), **fields})

    @model_validator(mode="wrap")
    @classmethod
    def _in_our_words(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(value)
        except ValidationError as error:
            kind = f"{cls.__name__.lower()} field"
            raise translated(error.errors()[0], tuple(cls.model_fields), kind=kind, before=cls.spoken) from None


def translated(detail: ErrorDetails, known: tuple[str, ...], *, kind: str, before: str = "") -> RequestError:
    """Return pydantic's finding as one of our errors; `known` are the fields, `kind` what an unknown one is called."""
    place = [part if (part := str(found)).isprintable() else ascii(part) for found in detail["loc"]]
    finding, got, facts = detail["type"], detail.get("input"), detail.get("ctx", {})
    got = None if finding == "missing" else got
    if finding == "extra_forbidden":
        return UnknownName(kind, place[-1], known)
    if len(place) > 2 and place[-1] in ("bool", "int", "float", "str"):  # arms of a union: each would tell its own tale
        return BadValue(before + ".".join(place[:-1]), got, "true, false, a finite number or text")
    if place[-1:] == ["[key]"]:
        return BadValue(f"name in {before}{place[0]}", got, "text")
    allowed, remedy = allowance(finding, facts) or detail["msg"], None
    if finding == "multiple_of" and isinstance(got, int) and got > 0:
        step = int(facts["multiple_of"])
        below, above = got // step * step, (got // step + 1) * step
        remedy = f"nearest {'are' if below else 'is'} {f'{below} and ' if below else ''}{above}"
    elif finding == "string_unicode" and isinstance(got, str):
        bad = next(i for i, letter in enumerate(got) if "\ud800" <= letter <= "\udfff")
        remedy = f"remove character {bad + 1}, half of a surrogate pair"
    where = before + ".".join(place) if place else kind.removesuffix(" field")
    return BadValue(where, got, allowed, remedy=remedy)


def allowance(finding: str, facts: dict[str, Any]) -> str | None:
    """Return what is allowed where pydantic found `finding`, None where its own words must do."""
    exact = {
        "greater_than_equal": f"at least {number(facts.get('ge'))}",
        "less_than_equal": f"at most {number(facts.get('le'))}",
        "multiple_of": f"a multiple of {facts.get('multiple_of')}",
        "finite_number": "a finite number",
        "string_too_long": f"at most {facts.get('max_length')} characters",
        "string_unicode": "valid Unicode text",
        "literal_error": str(facts.get("expected")),
        "missing": "given",
        "value_error": str(facts.get("error")),
    }
    by_type = {"string": "text", "int": "a whole number", "float": "a number", "bool": "true or false"}
    by_type |= dict.fromkeys(("model", "dict", "mapping"), "named values")
    return exact.get(finding) or by_type.get(finding.split("_")[0])


def number(bound: Any) -> Any:
    """Return a bound as people write it: 0 for 0.0."""
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound
