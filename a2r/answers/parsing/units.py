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
    "N": {"N": "1", "newton": "1"},
    "J": {
        "J": "1", "joule": "1", "cal": "4184/1000", "calorie": "4184/1000",
        "Cal": "4184", "Calories": "4184", "Wh": "3600", "kWh": "3600000",
        "eV": "1602176634/10000000000000000000000000000",
    },
    "W": {"W": "1", "watt": "1"},
    "V": {"V": "1", "volt": "1"},
    "A": {"A": "1", "amp": "1", "ampere": "1"},
    "Pa": {"Pa": "1", "pascal": "1", "bar": "100000", "atm": "101325"},
    "Hz": {"Hz": "1", "hertz": "1"},
    "ohm": {"ohm": "1"},
    "mol": {"mol": "1", "mole": "1"},
    "K": {"K": "1", "kelvin": "1"},
    "byte": {"byte": "1", "B": "1"},
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
LONE_LETTERS = frozenset("mgshLNJWVAK")
PREFIXES: Mapping[str, str] = {
    "p": "1/1000000000000", "n": "1/1000000000", "μ": "1/1000000", "µ": "1/1000000",
    "m": "1/1000", "c": "1/100", "k": "1000", "M": "1000000", "G": "1000000000",
    "T": "1000000000000",
}  # fmt: skip
LONG_PREFIXES: Mapping[str, str] = {
    "nano": "n", "micro": "μ", "milli": "m", "centi": "c", "kilo": "k", "mega": "M",
    "giga": "G", "tera": "T",
}  # fmt: skip
PREFIXED = ("m", "g", "s", "L", "N", "J", "W", "V", "A", "Pa", "Hz", "ohm", "mol", "B", "eV", "Wh")
PREFIXED_WORDS = (
    "meter", "metre", "gram", "second", "liter", "litre", "newton", "joule", "watt", "volt", "amp",
    "ampere", "pascal", "hertz", "ohm", "mole", "byte",
)  # fmt: skip
# Derived units in base units, and the factor of their product: 1 N is 1000 g m / s^2.
DERIVED: Mapping[str, tuple[int, Mapping[str, int]]] = {
    "N": (1000, {"g": 1, "m": 1, "s": -2}),
    "J": (1000, {"g": 1, "m": 2, "s": -2}),
    "W": (1000, {"g": 1, "m": 2, "s": -3}),
    "Pa": (1000, {"g": 1, "m": -1, "s": -2}),
    "V": (1000, {"g": 1, "m": 2, "s": -3, "A": -1}),
    "ohm": (1000, {"g": 1, "m": 2, "s": -3, "A": -2}),
    "Hz": (1, {"s": -1}),
}


def _table() -> Mapping[str, Unit]:
    table = {
        word: Unit(factor=Fraction(factor), base=base)
        for base, words in MEASURES.items()
        for word, factor in words.items()
    }
    prefixes = [(prefix, Fraction(factor)) for prefix, factor in PREFIXES.items()]
    long_prefixes = [(word, Fraction(PREFIXES[short])) for word, short in LONG_PREFIXES.items()]
    prefixed = {
        f"{prefix}{name}": Unit(factor=factor * table[name].factor, base=table[name].base)
        for names, spellings in ((PREFIXED, prefixes), (PREFIXED_WORDS, long_prefixes))
        for name in names
        for prefix, factor in spellings
    }
    return prefixed | table


TABLE = _table()
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
    for name in (word, singular(word), lower, singular(lower)):
        if name in TABLE and (len(name) > 2 or name == word):
            return TABLE[name]
    return None


def base_units(powers: list[tuple[str, int]]) -> Unit:
    """The product of units to integer powers; a noun that is not a unit is its own base unit."""
    factor, bases = Fraction(1), dict[str, int]()
    for word, power in _with_phrases(powers):
        for name, exponent in _parts(word, power):
            unit = is_known_unit(name) or Unit(factor=Fraction(1), base=_noun_unit(name))
            factor *= unit.factor**exponent
            bases[unit.base] = bases.get(unit.base, 0) + exponent
    if {"°C", "°F"} & bases.keys():
        # 25 degrees Celsius is not a product of units.
        bases.pop("degree", None)
    for name in DERIVED.keys() & bases.keys():
        power = bases.pop(name)
        scale, parts = DERIVED[name]
        factor *= Fraction(scale) ** power
        for base, exponent in parts.items():
            bases[base] = bases.get(base, 0) + exponent * power
    if "L" in bases:
        liters = bases.pop("L")
        factor *= Fraction(1, 1000) ** liters
        bases["m"] = bases.get("m", 0) + 3 * liters
    names = [base if n == 1 else f"{base}^{n}" for base, n in sorted(bases.items()) if n and base]
    return Unit(factor=factor, base="*".join(names))


def _with_phrases(powers: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The words of a unit, with nouns that follow each other as one phrase, whose order counts."""
    joined: list[tuple[str, int]] = []
    for word, power in powers:
        known = is_known_unit(word) is not None or word.lower() in COMPOUND
        previous = joined[-1] if joined else ("", 0)
        if not known and power == 1 and previous[1] == 1 and previous[0] in _phrases(joined):
            joined[-1] = (f"{previous[0]} {_noun_unit(word)}", 1)
        else:
            joined.append((word if known else _noun_unit(word), power))
    return joined


def _phrases(words: list[tuple[str, int]]) -> set[str]:
    return {word for word, _ in words if is_known_unit(word) is None}


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
