"""Checked access to JSON that a stranger wrote: every value is asked for by kind and range, and knows its place.

A problem is a :class:`likeness.errors.LikenessError` that names the field, as in
``skins[0].joints[2] is 99, expected a whole number from 0 to 7``.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, NoReturn

from ..errors import LikenessError

LARGEST_NUMBER = 3.4e38
"""What a 32-bit float holds."""


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise ValueError(f"the member {_shown(name)} is there twice")
        members[name] = value
    return members


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]} is not finite")
    return number


def parse_json(content: bytes, name: str) -> Field:
    """Parse untrusted JSON: no NaN, no duplicate members, no nesting beyond the interpreter's depth.

    Parameters
    ----------
    content : bytes
        UTF-8.
    name : str
        What to call the text in messages.

    Raises
    ------
    LikenessError
        If it is not such JSON.
    """
    try:
        value = json.loads(
            content.decode("utf-8"), object_pairs_hook=_unique_members, parse_constant=_finite, parse_float=_finite
        )
    except RecursionError:
        raise LikenessError(f"{name} is nested too deeply") from None
    except UnicodeDecodeError:
        raise LikenessError(f"{name} is not UTF-8") from None
    except ValueError as error:
        raise LikenessError(f"{name} is not valid JSON: {error}") from None
    return Field(value, "")


def _shown(value: Any) -> str:
    """A value as a message may show it: on one line and short, whatever it holds."""
    text = json.dumps(value, ensure_ascii=True) if not isinstance(value, dict | list) else f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass(frozen=True)
class Field:
    """A value within a JSON document.

    Attributes
    ----------
    value : object
        As :func:`json.loads` gives it.
    path : str
        Where it stands, such as ``meshes[0].primitives[3].indices``; empty for the document itself.
    """

    value: Any
    path: str

    def refuse(self, expected: str) -> NoReturn:
        """Raise a :class:`LikenessError` that says what should have been here."""
        raise LikenessError(f"{self.path or 'the document'} is {_shown(self.value)}, expected {expected}")

    def find(self, name: str) -> Field | None:
        """The member of that name, or None."""
        if not isinstance(self.value, dict):
            self.refuse("an object")
        if name not in self.value:
            return None
        return Field(self.value[name], f"{self.path}.{name}" if self.path else name)

    def member(self, name: str) -> Field:
        """The member of that name, which must be there."""
        found = self.find(name)
        if found is None:
            raise LikenessError(f"{self.path or 'the document'} lacks the member {name}")
        return found

    def items(self, low: int = 0, high: int = 1 << 20) -> list[Field]:
        """The items of an array whose length lies from ``low`` to ``high``."""
        if not isinstance(self.value, list):
            self.refuse("an array")
        if not low <= len(self.value) <= high:
            wanted = str(low) if low == high else f"{low} to {high}"
            raise LikenessError(f"{self.path} has {len(self.value)} items, expected {wanted}")
        return [Field(value, f"{self.path}[{index}]") for index, value in enumerate(self.value)]

    def item(self, index: Field) -> Field:
        """The item of an array that an index elsewhere in the document names."""
        if not isinstance(self.value, list):
            self.refuse("an array")
        place = index.integer(0, len(self.value) - 1)
        return Field(self.value[place], f"{self.path}[{place}]")

    def integer(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        if type(self.value) is not int or not low <= self.value <= high:
            self.refuse(f"a whole number from {low} to {high}" if low != high else str(low))
        return self.value

    def number(self) -> float:
        """A number that single precision holds."""
        if type(self.value) not in (int, float) or abs(self.value) > LARGEST_NUMBER:
            self.refuse(f"a number of at most {LARGEST_NUMBER:.3g}")
        return float(self.value)

    def text(self, longest: int = 256) -> str:
        """A string of at most ``longest`` characters."""
        if not isinstance(self.value, str) or len(self.value) > longest:
            self.refuse(f"a text of at most {longest} characters")
        return self.value

    def must_be(self, value: Any) -> None:
        """Refuse anything else than ``value``."""
        if type(self.value) is not type(value) or self.value != value:
            self.refuse(value if isinstance(value, str) else json.dumps(value))
