"""Claims to be judged by machine, in TOML: those that come with the harness and those in files, checked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from harness.errors import GridError, unknown
from harness.report.claim_vocabulary import MEASURES, RULES, SELECTIONS, SIZE, Choice, Claim, Claims, Part, Rule, Side

_SIZES = re.compile(
    rf"every|every but full|on average|(?:above |up to )?(?:{SIZE})|S(?P<low>10|[1-9]) to S(?P<high>10|[1-9])"
)
_CHOICE = re.compile(
    rf"(?:(?P<encoder>[^\s/]+)/)?(?P<name>[^\s/]+)(?: on (?P<selection>\S+))?(?: at (?P<size>{SIZE}))?"
)
_SIDE = "'[ENCODER/]NAME [on SELECTION] [at SIZE]', or two of them as 'NAME over NAME'"


def claim_names() -> list[str]:
    """The files of claims that come with the harness."""
    folder = resources.files("benchmarks") / "claims"
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))


def read_claims(name: str, known: Mapping[str, Collection[str]]) -> Claims:
    """The claims of a file, or of one that comes with the harness by its name.

    `known` are the names of the plugins, of each kind. Raises GridError with every mistake, each with its place.
    """
    path = Path(name)
    try:
        if path.suffix == ".toml" or "/" in name:
            text = path.read_text(encoding="utf-8")
        elif name in claim_names():
            text = (resources.files("benchmarks") / "claims" / f"{name}.toml").read_text(encoding="utf-8")
        else:
            raise GridError([unknown("claims", name, claim_names()) + "; or name a file that ends in .toml"])
        plain = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise GridError([f"the claims {path} can't be read: {error}"]) from error
    except tomllib.TOMLDecodeError as error:
        raise GridError([f"the claims {name} are not TOML: {error}"]) from error
    reader = _Reader(plain, known)
    found = reader.claims()
    if reader.mistakes:
        raise GridError([f"claims '{path.stem}', {mistake}" for mistake in reader.mistakes])
    return found


class _Reader:
    """Reads a file as parsed; `mistakes` holds what is wrong with it."""

    def __init__(self, plain: Mapping[str, Any], known: Mapping[str, Collection[str]]) -> None:
        self.mistakes: list[str] = []
        self._plain, self._known = plain, known
        self._text: str | None = None
        self._groups: dict[str, tuple[tuple[str | None, str], ...]] = {}

    def claims(self) -> Claims:
        """All claims; those with mistakes are not whole."""
        self._keys("", self._plain, ("title", "text", "groups", "claims"))
        title = self._string("title", self._plain.get("title"))
        if "text" in self._plain:
            self._text = self._selection("text", self._plain["text"])
        groups = self._plain.get("groups", {})
        if not isinstance(groups, dict):
            self.mistakes.append(f"groups: expected a table, found {groups!r}")
            groups = {}
        for name, members in groups.items():
            self._groups[name] = tuple(self._group(name, members))
        tables = self._tables("claims", self._plain.get("claims"))
        claims = tuple(self._claim(at, table) for at, table in enumerate(tables, 1))
        numbers = [claim.number for claim in claims]
        self.mistakes += [f"claim {n}: two have this number" for n in dict.fromkeys(numbers) if numbers.count(n) > 1]
        return Claims(title, claims)

    def _group(self, name: str, members: Any) -> Iterator[tuple[str | None, str]]:
        where = f"groups.{name}"
        if name in self._known["strategy"] or not re.fullmatch(r"[^\s/]+", name):
            self.mistakes.append(f"{where}: expected a name without blanks and strokes that no strategy has")
        if not isinstance(members, list) or not members:
            self.mistakes.append(f"{where}: expected a list of strategies, or ENCODER/STRATEGY, found {members!r}")
            return
        for member in members:
            encoder, _, strategy = str(member).rpartition("/")
            if encoder:
                self._name(where, "encoder", encoder)
            if self._name(where, "strategy", strategy):
                yield encoder or None, strategy

    def _claim(self, at: int, table: Mapping[str, Any]) -> Claim:
        number = table.get("number")
        where = f"claim {number}"
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            where = f"claim at place {at}"
            self.mistakes.append(f"{where}: number: expected a count, found {number!r}")
            number = -at
        self._keys(where, table, ("number", "says", "note", "encoders", "parts", "not_measured"))
        says = self._string(f"{where}: says", table.get("says"))
        note, why = (
            self._string(f"{where}: {key}", table[key]) if key in table else "" for key in ("note", "not_measured")
        )
        if ("parts" in table) == ("not_measured" in table):
            self.mistakes.append(f"{where}: expected parts, or not_measured with the reason, and not both")
        parts: list[Part] = []
        if "parts" in table:
            encoders = self._encoders(where, table)
            for place, part in enumerate(self._tables(f"{where}: parts", table["parts"]), 1):
                parts += self._part(f"{where}, part {place}", part, encoders)
        return Claim(number, says, tuple(parts), note, why)

    def _part(self, where: str, table: Mapping[str, Any], encoders: Sequence[str]) -> Iterator[Part]:
        """The part; none where it has mistakes."""
        before = len(self.mistakes)
        name = table.get("rule")
        if not isinstance(name, str) or name not in RULES:
            self.mistakes.append(f"{where}: {unknown('rule', str(name), RULES)}")
            return
        rule = RULES[name]
        keys = ["rule", "first", *["second"] * rule.has_second, *["sizes"] * rule.has_sizes, "encoders", *rule.bounds]
        keys += ["by"] * rule.takes_measures
        self._keys(f"{where} ({name})", table, keys)
        first = self._side(f"{where}: first", table.get("first"), rule.takes_gains)
        seconds: list[Side | None] = [None]
        if rule.has_second:
            written = table.get("second")
            listed = written if isinstance(written, list) and written else [written]
            seconds = [self._side(f"{where}: second", one, rule.takes_gains) for one in listed]
        bounds = {key: self._bound(f"{where}: {key}", key, table.get(key, usual)) for key, usual in rule.bounds.items()}
        sizes = self._sizes(f"{where}: sizes", table.get("sizes", "every"))
        if "on average" in sizes and not rule.takes_gains:
            self.mistakes.append(f"{where}: sizes: expected sizes with this rule, found 'on average'")
        measures = self._measures(f"{where}: by", table["by"]) if "by" in table else [None]
        encoders = self._encoders(where, table) or encoders
        sides = [side for side in (first, *seconds) if side]
        self._fixed(where, table, rule, sides)
        choices = [choice for side in sides for choice in side.choices]
        is_open = any(choice.is_open for choice in choices)
        if is_open and not encoders:
            self.mistakes.append(f"{where}: expected encoders, of this part or of its claim, or ENCODER/NAME")
        if len(self.mistakes) == before and first is not None:
            for by in measures:
                yield Part(name, first, tuple(seconds), tuple(encoders) if is_open else (None,), sizes, bounds, by)

    def _fixed(self, where: str, table: Mapping[str, Any], rule: Rule, sides: Sequence[Side]) -> None:
        """Check what is looked at in a place of its own."""
        fixed = [choice for side in sides for choice in side.choices if choice.size]
        if not fixed:
            return
        if len(fixed) < len(sides) or any(side.over for side in sides) or "sizes" in table:
            self.mistakes.append(f"{where}: expected 'at SIZE' on both sides or on none, without 'over' and sizes")
        if not (rule.takes_gains and rule.has_second):
            self.mistakes.append(f"{where}: expected sizes with this rule, found 'at {fixed[0].size}'")

    def _side(self, where: str, written: Any, takes_gains: bool) -> Side | None:
        """A side; None where that is a mistake, which is then told."""
        first, gains, over = str(written).partition(" over ")
        if gains and not takes_gains:
            self.mistakes.append(f"{where}: expected scores with this rule, found a gain, '{written}'")
            return None
        made = self._choice(where, first, written, None)
        if made is None or not gains:
            return Side(made) if made else None
        encoder = first.partition("/")[0] if "/" in first else None
        other = self._choice(where, over, written, encoder)
        return Side(made, other) if other else None

    def _choice(self, where: str, text: str, written: Any, encoder: str | None) -> Choice | None:
        match = _CHOICE.fullmatch(text) if isinstance(written, str) else None
        if match is None:
            self.mistakes.append(f"{where}: expected {_SIDE}, found {written!r}")
            return None
        name = match["name"]
        if match["encoder"] and not self._name(where, "encoder", match["encoder"]):
            return None
        if name not in self._groups and name not in self._known["strategy"]:
            names = {*self._groups, *self._known["strategy"]}
            self.mistakes.append(f"{where}: {unknown('strategy or group', name, names)}")
            return None
        selection = self._selection(where, match["selection"]) if match["selection"] else self._text
        own = match["encoder"] or encoder
        members = ((given or own, strategy) for given, strategy in self._groups.get(name, ((None, name),)))
        return Choice(text.partition(" at ")[0], tuple(members), selection, match["size"])

    def _sizes(self, where: str, written: Any) -> tuple[str, ...]:
        listed = written if isinstance(written, list) and written else [written]
        for one in listed:
            match = _SIZES.fullmatch(str(one)) if isinstance(one, (int, str)) else None
            reversed_ = match is not None and match["low"] and int(match["low"]) > int(match["high"])
            if match is None or reversed_ or (one == "on average" and len(listed) > 1):
                self.mistakes.append(
                    f"{where}: expected 'every', 'every but full', 'on average', 'S3 to S7', 'above 1000', 'up to S7', "
                    f"a size, or a list of sizes, found {one!r}"
                )
        return tuple(map(str, listed))

    def _measures(self, where: str, written: Any) -> Sequence[str | None]:
        names = [str(one) for one in (written if isinstance(written, list) and written else [written])]
        self.mistakes += [f"{where}: {unknown('measure', name, MEASURES)}" for name in names if name not in MEASURES]
        return names

    def _bound(self, where: str, key: str, value: Any) -> Any:
        if key == "above":
            if not re.fullmatch(SIZE, str(value)):
                self.mistakes.append(f"{where}: expected a count, S1 to S10, or full, found {value!r}")
            return value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
            self.mistakes.append(f"{where}: expected a number above 0, found {value!r}")
        return value

    def _encoders(self, where: str, table: Mapping[str, Any]) -> list[str]:
        written = table.get("encoders", [])
        if not isinstance(written, list) or ("encoders" in table and not written):
            self.mistakes.append(f"{where}: encoders: expected a list of names, found {written!r}")
            return []
        return [name for name in map(str, written) if self._name(f"{where}: encoders", "encoder", name)]

    def _selection(self, where: str, written: Any) -> str | None:
        if written in SELECTIONS:
            return str(written)
        self.mistakes.append(f"{where}: {unknown('selection', str(written), SELECTIONS)}")
        return None

    def _name(self, where: str, kind: str, name: str) -> bool:
        if name not in self._known[kind]:
            self.mistakes.append(f"{where}: {unknown(kind, name, self._known[kind])}")
        return name in self._known[kind]

    def _string(self, where: str, written: Any) -> str:
        """The words, of several lines too, in one."""
        if not isinstance(written, str) or not written.strip():
            self.mistakes.append(f"{where}: expected some words, found {written!r}")
        return " ".join(str(written).split())

    def _tables(self, where: str, written: Any) -> list[Mapping[str, Any]]:
        if isinstance(written, list) and written and all(isinstance(one, dict) for one in written):
            return written
        self.mistakes.append(f"{where}: expected a list of tables, found {written!r}")
        return []

    def _keys(self, where: str, table: Mapping[str, Any], known: Collection[str]) -> None:
        before = f"{where}: " if where else ""
        self.mistakes += [f"{before}{unknown('key', key, known)}" for key in table if key not in known]
