"""Which part of the face an expression moves, told by its name."""

from __future__ import annotations

from collections.abc import Iterable

REGIONS = ("Brows", "Eyes", "Jaw", "Mouth", "Cheeks", "Nose", "Other")

_WORDS = {
    "Brows": ("brow",),
    "Eyes": ("eye", "lid", "blink", "squint"),
    "Jaw": ("jaw", "chin"),
    "Mouth": ("mouth", "lip", "tongue", "smile", "pucker"),
    "Cheeks": ("cheek",),
    "Nose": ("nose", "nostril"),
}


def region_of(name: str) -> str:
    """One of :data:`REGIONS`; where a name speaks of several, that of its first such word."""
    lower = name.lower()
    places = {region: min(map(lower.find, found)) for region, found in _found(lower)}
    return min(places, key=lambda region: places[region]) if places else "Other"


def _found(lower: str) -> list[tuple[str, list[str]]]:
    found = ((region, [word for word in words if word in lower]) for region, words in _WORDS.items())
    return [(region, words) for region, words in found if words]


def by_region(names: Iterable[str]) -> dict[str, list[str]]:
    """Names grouped by region, regions in order, empty ones left out."""
    groups: dict[str, list[str]] = {region: [] for region in REGIONS}
    for name in names:
        groups[region_of(name)].append(name)
    return {region: members for region, members in groups.items() if members}


def label_of(name: str) -> str:
    """A name as a slider shows it: ``mouthSmile_L`` becomes ``Mouth Smile L``."""
    spaced = "".join(f" {letter}" if letter.isupper() else letter for letter in name.replace("_", " "))
    return " ".join(word[:1].upper() + word[1:] for word in spaced.split())
