"""Pairs of sets, lists, intervals, matrices, named values, units, dates and times."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta

from tests.answers.fuzz.pairs import Pair

NAMES = ("mean", "median", "width", "height", "Ann", "Bob", "area", "speed")


def _items(rng: random.Random, count: int) -> list[str]:
    return [str(value) for value in rng.sample(range(-30, 60), count)]


def listing(rng: random.Random) -> Pair:
    """Lists and sets: reordered, or with an item changed, repeated or left out."""
    items = _items(rng, rng.randint(2, 5))
    shuffled = rng.sample(items, len(items))
    if rng.random() < 0.5:
        first = rng.choice((", ".join(items), "\\{" + ", ".join(items) + "\\}"))
        joined = [f"x = {item}" for item in shuffled]
        second = rng.choice(
            (
                ", ".join(shuffled),
                "\\{" + ",".join(shuffled) + "\\}",
                " \\text{ or } ".join(joined),
                ", ".join(shuffled[:-1]) + " and " + shuffled[-1],
            )
        )
        return Pair(first=first, second=second, same=True)
    changed = list(shuffled)
    changed[0] = str(int(changed[0]) + 97)
    repeated = [*shuffled, shuffled[0]]
    other = rng.choice((changed, repeated, shuffled[:-1], [*repeated, shuffled[-1]]))
    base = ", ".join(items) if rng.random() < 0.5 else ", ".join(repeated)
    if sorted(base.split(", ")) == sorted(other):
        return listing(rng)
    return Pair(first=base, second=", ".join(other), same=False)


def point(rng: random.Random) -> Pair:
    """Tuples: in another notation, or with two entries swapped or one changed."""
    items = _items(rng, rng.randint(2, 4))
    tight = "(" + ",".join(items) + ")"
    if rng.random() < 0.5:
        names = ("x", "y", "z")[: len(items)]
        assigned = ", ".join(f"{n}={v}" for n, v in zip(names, items, strict=False))
        spaced = "\\left( " + " , ".join(items) + " \\right)"
        second = assigned if len(names) == len(items) and rng.random() < 0.5 else spaced
        return Pair(first=tight, second=second, same=True)
    other = list(items)
    if rng.random() < 0.5:
        other[0], other[1] = other[1], other[0]
    else:
        other[-1] = str(int(other[-1]) + 1)
    return Pair(first=tight, second="(" + ", ".join(other) + ")", same=False)


def interval(rng: random.Random) -> Pair:
    """Intervals and bounds: in another notation, or with another end or bracket."""
    low = rng.randint(-20, 20)
    high = low + rng.randint(1, 15)
    name = rng.choice("xyt")
    spellings = {
        "[)": (f"[{low},{high})", f"{low} \\le {name} < {high}", f"[{low},{high}["),
        "(]": (f"({low}, {high}]", f"{low}<{name}\\leq {high}", f"]{low}, {high}]"),
        "[]": (
            f"[{low},{high}]",
            f"{low}\\le {name}\\le {high}",
            f"\\{{{name} \\mid {low}\\le {name}\\le {high}\\}}",
        ),
        "()": (f"{low}<{name}<{high}", f"]{low},{high}[", f"{name}\\in({low},{high})"),
    }
    brackets = rng.choice(sorted(spellings))
    first = rng.choice(spellings[brackets])
    if rng.random() < 0.5:
        return Pair(first=first, second=rng.choice(spellings[brackets]), same=True)
    other = rng.choice([b for b in sorted(spellings) if b != brackets])
    second = rng.choice(
        (
            rng.choice(spellings[other]),
            first.replace(str(high), str(high + 1)),
            f"{name} > {high}",
            f"{name} < {low} \\text{{ or }} {name} > {high}",
        )
    )
    return Pair(first=first, second=second, same=False)


def bounds(rng: random.Random) -> Pair:
    """Bounds on two names: reordered, or with the bounds swapped, or one left out."""
    a, b = rng.sample(range(1, 30), 2)
    first = f"x > {a}, y > {b}"
    if rng.random() < 0.5:
        return Pair(first=first, second=rng.choice((f"y>{b}, x>{a}", f"{a}<x, {b}<y")), same=True)
    second = rng.choice((f"x > {b}, y > {a}", f"x > {a}", f"x > {a}, y < {b}", f"x>{a} or y>{b}"))
    return Pair(first=first, second=second, same=False)


def named_values(rng: random.Random) -> Pair:
    """Values with names: reordered, or with the values swapped or another name."""
    names = rng.sample(NAMES, 2) if rng.random() < 0.5 else ["x_1", "x_2"]
    if rng.random() < 0.3:
        names = rng.choice((["f(1)", "f(2)"], ["v_x", "v_y"], ["P(A)", "P(B)"], ["T_1", "T_2"]))
    a, b = _items(rng, 2)
    first = f"{names[0]} = {a}, {names[1]} = {b}"
    if rng.random() < 0.5:
        return Pair(first=first, second=f"{names[1]} = {b}, {names[0]} = {a}", same=True)
    other = "mode" if "mode" not in names else "range"
    second = rng.choice(
        (
            f"{names[0]} = {b}, {names[1]} = {a}",
            f"{names[0]} = {a}, {other} = {b}",
            f"{names[0]} = {a}, {names[1]} = {int(b) + 1}",
        )
    )
    return Pair(first=first, second=second, same=False)


def matrix(rng: random.Random) -> Pair:
    """Matrices: in another environment, or with a cell changed, moved or blank."""
    rows = [[str(rng.randint(-9, 9)) for _ in range(3)] for _ in range(2)]
    environment = rng.choice(("pmatrix", "bmatrix"))
    first = _matrix(rows, environment)
    if rng.random() < 0.5:
        return Pair(first=first, second=_matrix(rows, "bmatrix"), same=True)
    other = [list(row) for row in rows]
    match rng.randrange(3):
        case 0:
            other[0][1] = str(int(other[0][1]) + 1)
        case 1:
            other[1][2] = ""
        case _:
            other = [list(column) for column in zip(*rows, strict=True)]
    return Pair(first=first, second=_matrix(other, environment), same=False)


def _matrix(rows: list[list[str]], environment: str) -> str:
    body = " \\\\ ".join(" & ".join(row) for row in rows)
    return f"\\begin{{{environment}}} {body} \\end{{{environment}}}"


UNITS = (
    ("cm", "m", 100), ("mm", "cm", 10), ("m", "km", 1000), ("g", "kg", 1000), ("mL", "L", 1000),
    ("minutes", "hours", 60), ("seconds", "minutes", 60), ("inches", "feet", 12),
    ("mA", "A", 1000), ("W", "kW", 1000), ("Hz", "MHz", 10**6), ("mmol", "mol", 1000),
    ("MB", "GB", 1000), ("J", "kJ", 1000), ("days", "weeks", 7), ("Pa", "kPa", 1000),
)  # fmt: skip


def unit(rng: random.Random) -> Pair:
    """Quantities: converted, or in another unit, or without one."""
    small, big, factor = rng.choice(UNITS)
    value = rng.randint(1, 60)
    first = f"{value * factor} {small}"
    if rng.random() < 0.5:
        second = rng.choice(
            (
                f"{value} {big}",
                f"{value}\\text{{ {big}}}",
                f"{value}\\,\\mathrm{{{big}}}",
                f"${value}$ {big}",
                f"{value * factor}\\ \\text{{{small}}}",
            )
        )
        return Pair(first=first, second=second, same=True)
    second = rng.choice(
        (f"{value * factor} {big}", f"{value} {small}", f"{value + 1} {big}", f"{value * factor}")
    )
    if factor == 1 or second == first:
        return unit(rng)
    return Pair(first=first, second=second, same=False)


def day(rng: random.Random) -> Pair:
    """Dates: in another notation, or another day."""
    first = date(1900, 1, 1) + timedelta(days=rng.randrange(45000))
    if rng.random() < 0.5:
        one, two = rng.sample(_dates(first), 2)
        return Pair(first=one, second=two, same=True)
    second = first + timedelta(days=rng.choice((1, 31, 365, 366)))
    return Pair(first=rng.choice(_dates(first)), second=rng.choice(_dates(second)), same=False)


def _dates(value: date) -> list[str]:
    month = value.strftime("%B")
    return [
        f"{month} {value.day}, {value.year}",
        f"{value.day} {month} {value.year}",
        value.isoformat(),
        f"{value.day}-{month[:3]}-{value.year}",
        f"{value.day}. {month} {value.year}",
        value.strftime(f"%A, {month} {value.day}, %Y"),
        f"the {value.day}th of {month}, {value.year}" if 4 <= value.day <= 20 else f"{value}",
    ]


def time(rng: random.Random) -> Pair:
    """Times of day: in another notation, or another time."""
    hour, minute = rng.randint(0, 23), rng.randint(0, 59)
    if rng.random() < 0.5:
        one, two = rng.sample(_times(hour, minute), 2)
        return Pair(first=one, second=two, same=True)
    other = _times((hour + rng.randint(1, 23)) % 24, minute)
    if rng.random() < 0.5:
        other = _times(hour, (minute + rng.randint(1, 59)) % 60)
    first = rng.choice(_times(hour, minute))
    wrap = rng.choice(("{}", "\\text{{{}}}", "about {}", "t = {}"))
    return Pair(first=wrap.format(first), second=wrap.format(rng.choice(other)), same=False)


def _times(hour: int, minute: int) -> list[str]:
    half, twelve = ("AM", "am", "a.m.") if hour < 12 else ("PM", "pm", "p.m."), hour % 12 or 12
    clock = f"{twelve}:{minute:02}"
    return [f"{clock} {half[0]}", f"{clock}{half[1]}", f"{clock} {half[2]}"]


STRUCTURES: dict[str, Callable[[random.Random], Pair]] = {
    "lists and sets": listing,
    "tuples": point,
    "intervals": interval,
    "bounds": bounds,
    "named values": named_values,
    "matrices": matrix,
    "units": unit,
    "dates": day,
    "times": time,
}
