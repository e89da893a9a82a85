"""Units of measurement: their spellings and their values in base units."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A unit as a multiple of a product of base units, such as 1/100 of `m`."""

    factor: Fraction
    base: str


# base unit: {symbol or word: multiple of the base}; words are in the singular.
MEASURES: Mapping[str, Mapping[str, str]] = {
    "m": {
        "m": "1", "meter": "1", "metre": "1", "km": "1000", "Km": "1000", "kilometer": "1000",
        "kilometre": "1000", "dm": "1/10", "decimeter": "1/10", "cm": "1/100",
        "centimeter": "1/100", "centimetre": "1/100", "mm": "1/1000", "millimeter": "1/1000",
        "millimetre": "1/1000", "nm": "1/1000000000", "nanometer": "1/1000000000",
        "in": "254/10000", "inch": "254/10000", "ft": "3048/10000", "foot": "3048/10000",
        "feet": "3048/10000", "yd": "9144/10000", "yard": "9144/10000",
        "mi": "1609344/1000", "mile": "1609344/1000",
    },
    "g": {
        "g": "1", "gram": "1", "kg": "1000", "kilogram": "1000", "kilo": "1000", "mg": "1/1000",
        "milligram": "1/1000", "t": "1000000", "tonne": "1000000", "lb": "45359237/100000",
        "lbs": "45359237/100000", "Kg": "1000",
        "pound": "45359237/100000", "oz": "28349523125/1000000000",
        "ounce": "28349523125/1000000000",
    },
    "s": {
        "s": "1", "sec": "1", "second": "1", "ms": "1/1000", "millisecond": "1/1000",
        "min": "60", "minute": "60", "mins": "60", "h": "3600", "hr": "3600",
        "hrs": "3600", "hour": "3600", "day": "86400",
        "week": "604800",
    },
    "month": {"month": "1", "year": "12", "yr": "12"},
    "L": {
        "L": "1", "l": "1", "liter": "1", "litre": "1", "mL": "1/1000", "ml": "1/1000",
        "milliliter": "1/1000", "millilitre": "1/1000",
    },
    "N": {"N": "1", "newton": "1", "kN": "1000"},
    "J": {"J": "1", "joule": "1", "kJ": "1000", "kilojoule": "1000"},
    "W": {"W": "1", "watt": "1", "kW": "1000", "kilowatt": "1000"},
    "V": {"V": "1", "volt": "1"},
    "A": {"amp": "1", "ampere": "1"},
    "Pa": {"Pa": "1", "pascal": "1", "kPa": "1000"},
    "Hz": {"Hz": "1", "hertz": "1", "kHz": "1000"},
    "ohm": {"ohm": "1"},
    "mol": {"mol": "1", "mole": "1"},
    "K": {"kelvin": "1"},
    "degree": {"degree": "1", "deg": "1", "degrees": "1"},
    "radian": {"radian": "1", "rad": "1"},
    "euro": {"€": "1", "euro": "1", "eur": "1"},
    "pound sterling": {"£": "1", "gbp": "1"},
    "yen": {"¥": "1", "yen": "1", "jpy": "1"},
    "yuan": {"yuan": "1", "rmb": "1"},
    "°C": {"celsius": "1", "°C": "1"},
    "°F": {"fahrenheit": "1", "°F": "1"},
    "rupee": {"₹": "1", "rupee": "1", "rs": "1"},
    "": {
        "dollar": "1", "usd": "1", "buck": "1", "cent": "1/100", "unit": "1", "dozen": "12",
        "thousand": "1000", "million": "1000000", "billion": "1000000000",
        "trillion": "1000000000000", "hundred": "100", "percent": "1/100", "pct": "1/100",
        "percentage": "1/100",
    },
}  # fmt: skip

IRREGULAR = {"people": "person", "children": "child", "men": "man", "women": "woman"}
LONE_LETTERS = frozenset("mgshLNJWV")
TABLE: Mapping[str, Unit] = {
    word: Unit(factor=Fraction(factor), base=base)
    for base, words in MEASURES.items()
    for word, factor in words.items()
}
COMPOUND = {"mph": ("mile", "hour"), "kmh": ("km", "h"), "kph": ("km", "h")}
SINGULAR = ((r"(?<=[^aeious])ies$", "y"), (r"(?<=ch|sh|ss)es$|(?<=x)es$", ""), (r"(?<=[^s])s$", ""))
FILLERS = frozenset({"of", "a", "an", "the"})


def singular(word: str) -> str:
    """The English singular of a noun by its ending, such as `apple` for `apples`."""
    for plural, ending in SINGULAR:
        if re.search(plural, word):
            return re.sub(plural, ending, word)
    return word


def is_known_unit(word: str) -> Unit | None:
    """The unit that a word or symbol names, or `None`; only symbols are case-sensitive."""
    lower = word.lower()
    for name in (word, lower, singular(lower)):
        if name in TABLE and (len(name) > 2 or name == word):
            return TABLE[name]
    return None


def base_units(powers: list[tuple[str, int]]) -> Unit:
    """The product of units to integer powers; a noun that is not a unit is its own base unit."""
    factor, bases = Fraction(1), dict[str, int]()
    for word, power in powers:
        for name, exponent in _parts(word, power):
            unit = is_known_unit(name) or Unit(factor=Fraction(1), base=_noun_unit(name))
            factor *= unit.factor**exponent
            bases[unit.base] = bases.get(unit.base, 0) + exponent
    if {"°C", "°F"} & bases.keys():
        # 25 degrees Celsius is not a product of units.
        bases.pop("degree", None)
    if "L" in bases:
        liters = bases.pop("L")
        factor *= Fraction(1, 1000) ** liters
        bases["m"] = bases.get("m", 0) + 3 * liters
    names = [base if n == 1 else f"{base}^{n}" for base, n in sorted(bases.items()) if n and base]
    return Unit(factor=factor, base="*".join(names))


def _noun_unit(name: str) -> str:
    """The base unit of a noun; symbols such as MeV are case-sensitive."""
    if any(letter.isupper() for letter in name[1:]) or (len(name) <= 3 and not name.islower()):
        return name
    return IRREGULAR.get(name.lower(), singular(name.lower()))


def _parts(word: str, power: int) -> list[tuple[str, int]]:
    if word.lower() in COMPOUND:
        top, bottom = COMPOUND[word.lower()]
        return [(top, power), (bottom, -power)]
    return [(word, power)]
