"""Run cards: what to send by kind of incident and alarm level, read from TOML (`run_cards/README.md`)."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeGuard, cast, get_args

from geo_backup.errors import BadValueError
from geo_backup.events import Mode, Need
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.profile import profiles_of

BUILT_IN = Path(__file__).parent / "run_cards"
NEEDS_MAX, COUNT_MAX, LEVELS_MAX, WORD_MAX = 32, 50, 9, 64
A_WORD = "1 to 64 letters and not only spaces"


@dataclass(frozen=True)
class RunCard:
    """One card. `alarms[n]` is what alarm level n + 1 adds."""

    name: str
    about: str
    kinds: tuple[str, ...]
    mode: Mode
    alarms: tuple[tuple[Need, ...], ...]
    several: bool = False
    staged: tuple[str, ...] = ()
    """Capabilities that wait at staging until called in."""
    priority: int | None = None
    """Of an incident that is opened with its kind; None: as its mode has it."""
    profile: str = ""
    """How units drive there, by a profile of the map; empty: as usual."""

    def needs(self, level: int) -> tuple[Need, ...]:
        """All that a level asks for: its own and those of the levels before, equal ones added up. Capabilities that
        are staged and that no level asks for are wanted too."""
        total: dict[Need, int] = {}
        waits = {name.casefold() for name in self.staged}
        for alarm in self.alarms[: max(1, level)]:
            for need in alarm:
                bare = need._replace(count=1, staged=need.capability.casefold() in waits)
                total[bare] = total.get(bare, 0) + need.count
        asked = {need.capability.casefold() for need in total}
        also = (Need(name, need="want", staged=True) for name in self.staged if name.casefold() not in asked)
        return (*(need._replace(count=count) for need, count in total.items()), *also)


def added(requirement: Sequence[Need], card: RunCard, was: int, level: int) -> tuple[Need, ...]:
    """What is asked for when an alarm is raised from one level to another: all that was asked, and what the card adds.
    A lower level takes nothing off."""
    before = {need._replace(count=1): need.count for need in card.needs(was)}
    total = {need._replace(count=1): need.count for need in requirement}
    for need in card.needs(level):
        bare = need._replace(count=1)
        more = need.count - before.get(bare, 0)
        if more > 0:
            total[bare] = min(COUNT_MAX, total.get(bare, 0) + more)
    return tuple(need._replace(count=count) for need, count in total.items())


def joined(requirement: Sequence[Need], other: Sequence[Need]) -> tuple[Need, ...]:
    """What fills both: of each capability the larger number."""
    out, at = list(requirement), {need.capability.casefold(): i for i, need in enumerate(requirement)}
    for need in other:
        i = at.get(need.capability.casefold())
        if i is None:
            out.append(need)
        elif need.count > out[i].count or (need.need == "must" and out[i].need != "must"):
            must = "must" in (need.need, out[i].need)
            out[i] = need._replace(count=max(need.count, out[i].count), need="must" if must else "want")
    return tuple(out)


def plain(kind: str) -> str:
    """A kind of incident as cards are looked up by it."""
    return " ".join(kind.lower().split())


def card_for(cards: Mapping[str, RunCard], kind: str) -> RunCard | None:
    """The card of a kind of incident, if there is one; of several the first."""
    wanted = plain(kind)
    return next((card for card in cards.values() if wanted and wanted in map(plain, card.kinds)), None)


def cards_of(network: RoadNetwork) -> Mapping[str, RunCard]:
    """Cards by name: those of the package and those in `run_cards/` of the map's folder, which go before.

    Raises `BadValueError` that names the file, the key and the remedy.
    """
    profiles = profiles_of(network)
    own = _in_folder(network.folder / "run_cards", profiles) if network.folder is not None else {}
    shipped = _in_folder(BUILT_IN, profiles)
    return MappingProxyType({**own, **{name: card for name, card in shipped.items() if name not in own}})


def _in_folder(folder: Path, profiles: Collection[str]) -> dict[str, RunCard]:
    """The cards of one folder. No two may have the same name or kind: nobody could tell which is meant."""
    cards: dict[str, RunCard] = {}
    file_of: dict[str, str] = {}
    card_of: dict[str, str] = {}
    for path in sorted(folder.glob("*.toml")):
        if not path.is_file() or path.name.startswith("."):  # an editor leaves such behind
            continue
        file = f"{folder.parent.name}/{folder.name}/{path.name}"
        for name, card in read_cards(path.read_bytes(), file, profiles).items():
            if name in cards:
                raise _wrong(file, name, f"is a card of {file_of[name]} too; rename one of them, or take it out")
            for kind in map(plain, card.kinds):
                other = card_of.setdefault(kind, name)
                if other != name:
                    remedy = f"has {kind!r}, which {other} of {file_of[other]} has too; take it out of one of them"
                    raise _wrong(file, f"{name}.kinds", remedy)
            cards[name], file_of[name] = card, file
    return cards


def read_cards(data: bytes, file: str = "run cards", profiles: Collection[str] = ()) -> dict[str, RunCard]:
    """The cards of a TOML file. Raises `BadValueError` that names the file, the key and the remedy."""
    try:
        tables = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:  # no text, no TOML, or a number of thousands of digits
        raise BadValueError(file, "toml", f"{file} is no TOML: {error}") from None
    return {name: _card(file, name, table, profiles) for name, table in tables.items()}


def _wrong(file: str, key: str, remedy: str) -> BadValueError:
    return BadValueError(f"{file}: {key}", "run_card", f"{file}: {key} {remedy}")


def _card(file: str, name: str, table: object, profiles: Collection[str]) -> RunCard:
    if not _is_word(name):
        raise _wrong(file, f"[{name[:WORD_MAX]}]", f"is no name of a card; a name is {A_WORD}")
    if not isinstance(table, dict):
        raise _wrong(file, name, "is no card; write it as a table, [name]")
    known = {"about", "kinds", "mode", "several", "staged", "priority", "profile", "alarm"}
    for key in table:
        if key not in known:
            raise _wrong(file, f"{name}.{key}", f"is not known; a card has {', '.join(sorted(known))}")
    mode = table.get("mode", "immediate")
    if mode not in get_args(Mode):
        raise _wrong(file, f"{name}.mode", f"is one of {', '.join(get_args(Mode))}")
    several = table.get("several", False)
    if not isinstance(several, bool):
        raise _wrong(file, f"{name}.several", "is true or false")
    about = table.get("about", "")
    if not isinstance(about, str) or len(about) > 500:
        raise _wrong(file, f"{name}.about", "is a text of at most 500 letters")
    alarms = table.get("alarm")
    if not isinstance(alarms, list) or not 1 <= len(alarms) <= LEVELS_MAX:
        raise _wrong(file, f"{name}.alarm", f"is missing; write [[{name}.alarm]] with needs, once a level, at most 9")
    levels = tuple(_alarm(file, f"{name}.alarm[{n}]", alarm) for n, alarm in enumerate(alarms))
    card = RunCard(
        name,
        about,
        _words(file, f"{name}.kinds", table.get("kinds", [])),
        cast("Mode", mode),
        levels,
        several,
        _words(file, f"{name}.staged", table.get("staged", [])),
        _priority(file, name, table),
        _profile(file, name, table, profiles),
    )
    for need in card.needs(LEVELS_MAX):
        if need.count > COUNT_MAX:
            remedy = f"asks for {need.count} x {need.capability} at its last level; all levels together at most 50"
            raise _wrong(file, f"{name}.alarm", remedy)
    return card


def _priority(file: str, name: str, table: Mapping[str, object]) -> int | None:
    priority = table.get("priority")
    if priority is not None and (type(priority) is not int or not 1 <= priority <= 5):
        raise _wrong(file, f"{name}.priority", "is a number, 1 (the most urgent) to 5")
    return priority


def _profile(file: str, name: str, table: Mapping[str, object], profiles: Collection[str]) -> str:
    profile = table.get("profile", "")
    if not isinstance(profile, str) or ("profile" in table and profile not in profiles):
        raise _wrong(file, f"{name}.profile", f"is a profile of this map: {', '.join(sorted(profiles))}")
    return profile


def _alarm(file: str, key: str, alarm: object) -> tuple[Need, ...]:
    needs = alarm.get("needs") if isinstance(alarm, dict) and set(alarm) == {"needs"} else None
    if not isinstance(needs, list) or not 1 <= len(needs) <= NEEDS_MAX:
        raise _wrong(file, f"{key}.needs", 'is a list of 1 to 32 needs, such as { capability = "patrol", count = 2 }')
    return tuple(_need(file, f"{key}.needs[{n}]", need) for n, need in enumerate(needs))


def _need(file: str, key: str, need: object) -> Need:
    known = ("capability", "count", "need", "substitutes")
    if not isinstance(need, dict) or not set(need) <= set(known):
        raise _wrong(file, key, f"has {', '.join(known)} and nothing else")
    capability, count, urgency = need.get("capability"), need.get("count", 1), need.get("need", "must")
    if not _is_word(capability):
        raise _wrong(file, f"{key}.capability", f"is missing or no capability; name what a unit must have, {A_WORD}")
    if type(count) is not int or not 1 <= count <= COUNT_MAX:
        raise _wrong(file, f"{key}.count", "is a number of units, 1 to 50")
    if urgency not in ("must", "want"):
        raise _wrong(file, f"{key}.need", "is must or want")
    return Need(capability, count, urgency, _words(file, f"{key}.substitutes", need.get("substitutes", [])))


def _words(file: str, key: str, words: object) -> tuple[str, ...]:
    if not isinstance(words, list) or len(words) > NEEDS_MAX:
        raise _wrong(file, key, "is a list of at most 32 texts")
    if not all(map(_is_word, words)):
        raise _wrong(file, key, f"is a list of texts, each {A_WORD}")
    return tuple(words)


def _is_word(word: object) -> TypeGuard[str]:
    return isinstance(word, str) and bool(word.strip()) and len(word) <= WORD_MAX
