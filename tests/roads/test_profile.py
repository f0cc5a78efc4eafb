"""Profiles are data: what their files may say, what is refused, and what their numbers do to a network."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geo_backup.errors import MapError, ProfileError
from geo_backup.roads.field import ArrivalField
from geo_backup.roads.network import EdgeFlag, RoadNetwork, TurnFlag, TurnKind, WayClass, WayFlag
from geo_backup.roads.profile import (
    BUILT_IN,
    CLOSED_MS,
    FORMS,
    PROFILES,
    RESPONSE,
    ROUTINE,
    Profile,
    edge_ms,
    hour_of,
    load_profile,
    profiles_of,
    turn_ms,
)
from geo_backup.roads.snap import Target
from geo_backup.roads.weights import weigh
from tests.roads.tiny import Street, draw, edge_of
from tests.rounds import rounds
from tests.running import GOTHENBURG

README = (BUILT_IN / "README.md").read_text(encoding="utf-8")
CROSS = {"a": (0, 0), "b": (500, 0), "c": (1000, 0), "d": (500, 500), "e": (500, -500)}


@pytest.fixture(scope="module")
def gothenburg() -> RoadNetwork:
    return RoadNetwork.load(GOTHENBURG)


def keys() -> dict[str, Any]:
    """Every key of a profile file with its range; None = true or false."""
    return {
        f"{name}.{key if form.members is None else '*'}": allowed
        for name, form in FORMS.items()
        for key, allowed in form.keys.items()
    }


def written(folder: Path, text: str, name: str = "ours.toml") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


# ---- the files of the package


def test_the_packages_profiles() -> None:
    assert set(PROFILES) == {"routine", "response", "motorbike", "ambulance", "foot", "tracked"}
    assert all(profile.name == name and profile.about for name, profile in PROFILES.items())
    assert len({profile.profile_id for profile in PROFILES.values()}) == len(PROFILES)
    assert all(profile.timeless for profile in PROFILES.values())
    assert PROFILES["routine"] is ROUTINE
    assert PROFILES["response"] is RESPONSE


@pytest.mark.parametrize("path", sorted(BUILT_IN.glob("*.toml")), ids=lambda path: path.stem)
def test_every_number_is_argued_for_or_called_a_proposal(path: Path) -> None:
    """Each beside it, or over its table, or for all at the head of the file."""
    head, *blocks = path.read_text(encoding="utf-8").split("\n\n")
    if "numbers are proposals" in head.replace("\n# ", " "):
        return
    for block in blocks:
        bare = [line for line in block.splitlines() if re.match(r"\w+ = [\d.]+$", line)]
        assert block.startswith("#") or not bare, bare


def test_the_readme_knows_every_key_with_its_range() -> None:
    rows = dict(re.findall(r"^\| `([a-z_.*]+)` \| ([^|]+?) \|", README, re.MULTILINE))
    said = {
        key: "true, false" if allowed is None else f"{allowed.low:g} to {allowed.high:g}"
        for key, allowed in keys().items()
    }
    assert rows == said
    for member in (*WayClass, *TurnKind):
        assert f"`{member.name.lower()}`" in README
    for name in PROFILES:
        assert f"[`{name}`]({name}.toml)" in README


def test_the_readmes_example_works(tmp_path: Path) -> None:
    example = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)[0]
    engine = load_profile(written(tmp_path, example, "fire_engine.toml"))
    assert engine.name == "fire_engine"
    assert (engine.vehicle.weight_t, engine.cap_kmh[WayClass.RESIDENTIAL]) == (16.0, 40.0)
    assert engine.cap_kmh[WayClass.PRIMARY] == RESPONSE.cap_kmh[WayClass.PRIMARY]
    assert engine.hours[WayClass.PRIMARY][8] == 0.65
    assert engine.hours[WayClass.RESIDENTIAL] == (1.0,) * 24
    assert not engine.timeless
    assert engine.junction == RESPONSE.junction


# ---- what is refused


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[speed]\nlimit_shar = 1", "speed.limit_shar is no key of a profile; did you mean limit_share?"),
        ("[sped]\nlimit_share = 1", "sped is no key of a profile; did you mean speed?"),
        ("[class_kmh]\nautobahn = 1", "class_kmh.autobahn is no key of a profile; there are motorway, "),
        ("[turn_s]\nall = 1\nLeft = 3", "turn_s.Left is no key of a profile; did you mean left?"),
        ("[vehicle]\nall = 3", "vehicle.all is no key of a profile"),
        ("speed = 5", "speed is a table; write [speed]"),
        ("top_kmh = 5", "top_kmh is no key of a profile; it belongs under [vehicle]"),
        ("[speed]\nsignal_s = 5", "speed.signal_s is no key of a profile; it belongs under [junction]"),
        ("[junction]\nsignal_s = 301", "junction.signal_s is a number, 0 to 300, not 301"),
        ("[junction]\nsignal_s = -0.1", "junction.signal_s is a number, 0 to 300, not -0.1"),
        ("[junction]\nsignal_s = nan", "junction.signal_s is a number, 0 to 300, not nan"),
        ("[junction]\nsignal_s = inf", "not inf"),
        ("[junction]\nsignal_s = true", "not True"),
        ('[junction]\nsignal_s = "12"', "not '12'"),
        ("[junction]\nsignal_s = [12]", "not [12]"),
        (f"[junction]\nsignal_s = 1{'0' * 400}", "junction.signal_s is a number"),
        (f"[junction]\nsignal_s = 1{'0' * 5_000}", "is not valid TOML"),
        (f"[junction]\nsignal_s = 0x1{'0' * 5_000}", "a number, 0 to 300, not a far greater one"),
        ("[class_kmh]\nall = 201", "class_kmh.all is a number, 0 to 200, not 201"),
        ("[access]\nbus_lanes = 1", "access.bus_lanes is true or false, not 1"),
        ("[hours]\nprimary = 0.5", "hours.primary is 24 numbers, each 0.1 to 2, not 0.5"),
        ("[hours]\nall = [1, 1]", "hours.all is 24 numbers, each 0.1 to 2, not [1, 1]"),
        (f"[hours]\nprimary = {[1.0] * 23 + [0.0]}", "hours.primary is 24 numbers, each 0.1 to 2, not 0.0"),
        ("[speed]\nlimit_share = 1\nlimit_share = 1", "is not valid TOML"),
        ("[speed", "is not valid TOML"),
        ("x = " + "[" * 3_000 + "]" * 3_000, "is not valid TOML"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, text: str, words: str) -> None:
    head = 'extends = "response"\nabout = "x"\n'
    with pytest.raises(ProfileError) as caught:
        load_profile(written(tmp_path, head + text))
    assert str(caught.value).startswith(f"{tmp_path / 'ours.toml'}")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('extends = "response"', "about is missing"),
        ('extends = "response"\nabout = " "', "about is missing"),
        ('about = "x"', 'vehicle.height_m is missing; say it, or begin from a whole profile with extends = "routine"'),
        ('about = "x"\nextends = "respons"', "there is no such profile; did you mean response?"),
        ('about = "x"\nextends = "../response"', "extends names a profile"),
        ('about = "x"\nextends = 5', "extends names a profile"),
        ('about = "x"\nextends = "ours"', "leads round in a circle"),
        ('about = "x"\nextends = "theirs"', "leads round in a circle"),
    ],
)
def test_a_profile_has_to_be_whole(tmp_path: Path, text: str, words: str) -> None:
    written(tmp_path, 'about = "y"\nextends = "ours"', "theirs.toml")
    with pytest.raises(ProfileError, match=re.escape(words)):
        load_profile(written(tmp_path, text))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"nowhere\.toml cannot be read: No such file"):
        load_profile(tmp_path / "nowhere.toml")
    with pytest.raises(ProfileError, match="lower case"):
        load_profile(written(tmp_path, "", "Our Car.toml"))
    (tmp_path / "latin.toml").write_bytes('about = "Löschzug"'.encode("latin-1"))
    with pytest.raises(ProfileError, match="not valid TOML"):
        load_profile(tmp_path / "latin.toml")


# ---- beside a map


def test_profiles_beside_the_map(tmp_path: Path) -> None:
    network = draw(CROSS, [Street("abc"), Street("dbe")])
    assert profiles_of(network) == PROFILES
    network = replace(network, folder=tmp_path)
    assert profiles_of(network) == PROFILES
    beside = tmp_path / "profiles"
    written(beside, 'extends = "response"\nabout = "x"\n[junction]\nsignal_s = 9', "response.toml")
    written(beside, 'extends = "response"\nabout = "y"\n[junction]\nstop_s = 8', "fast.toml")
    found = profiles_of(network)
    assert set(found) == {*PROFILES, "fast"}
    assert found["response"] == replace(RESPONSE, about="x", junction=replace(RESPONSE.junction, signal_s=9.0))
    assert (found["fast"].junction.signal_s, found["fast"].junction.stop_s) == (9.0, 8.0), "extends the map's own"
    assert found["ambulance"] == PROFILES["ambulance"]
    written(beside, "an editor's own", ".#fast.toml")
    assert profiles_of(network) == found
    written(beside, "nonsense", "broken.toml")
    with pytest.raises(ProfileError, match=re.escape(str(beside / "broken.toml"))):
        profiles_of(network)
    for number in range(50):
        written(beside, "", f"n{number}.toml")
    with pytest.raises(ProfileError, match="at most 50 are read"):
        profiles_of(network)


def test_the_id_names_the_numbers(tmp_path: Path) -> None:
    same = load_profile(written(tmp_path, 'extends = "response"\nabout = "the same by another name"'))
    assert same.profile_id == RESPONSE.profile_id
    for text in (
        "[junction]\nstop_s = 1.3",
        "[class_kmh]\ntrack = 15.5",
        "[access]\nbus_lanes = false",
        f"[hours]\ntrack = {[1.0] * 23 + [0.5]}",
    ):
        other = load_profile(written(tmp_path, f'extends = "response"\nabout = "x"\n{text}'))
        assert other.profile_id != RESPONSE.profile_id, text


# ---- any valid file gives weights that a search can use


def _number(allowed: Any) -> st.SearchStrategy[float]:
    return st.floats(allowed.low, allowed.high) | st.sampled_from([allowed.low, allowed.high])


@st.composite
def files(draw_: Any) -> dict[str, dict[str, Any]]:
    """Tables of a whole valid file, as TOML would give them."""
    out: dict[str, dict[str, Any]] = {}
    for key, allowed in keys().items():
        table, _, name = key.partition(".")
        if name == "*":
            each = st.lists(_number(allowed), min_size=24, max_size=24) if allowed.values else _number(allowed)
            names = [member.name.lower() for member in (TurnKind if table == "turn_s" else WayClass)]
            out[table] = {"all": draw_(each), **draw_(st.dictionaries(st.sampled_from(names), each, max_size=3))}
        else:
            out.setdefault(table, {})[name] = draw_(st.booleans() if allowed is None else _number(allowed))
    return out


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(map(_toml, value))}]" if isinstance(value, list) else repr(float(value))


@settings(max_examples=rounds(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables=files(), hour=st.none() | st.integers(0, 23))
def test_any_valid_file_gives_finite_positive_weights(
    tables: dict[str, dict[str, Any]], hour: int | None, tmp_path: Path
) -> None:
    text = "\n".join(
        [
            'about = "random"',
            *(f"[{t}]\n" + "\n".join(f"{k} = {_toml(v)}" for k, v in said.items()) for t, said in tables.items()),
        ]
    )
    profile = load_profile(written(tmp_path, text, "random.toml"))
    for table, said in tables.items():
        for key, value in said.items():
            held = getattr(profile, table)
            if key != "all":
                member: Any = (TurnKind if table == "turn_s" else WayClass).__members__.get(key.upper())
                found = held[member] if member is not None else getattr(held, key)
                assert found == (tuple(value) if isinstance(value, list) else value)
    network = _everything()
    ms, usable = edge_ms(network, profile, hour)
    assert ms.dtype == np.int32
    assert usable.dtype == np.bool_
    assert ((ms >= 1) & (ms < CLOSED_MS)).all()
    turns = turn_ms(network, profile)
    assert turns.dtype == np.int32
    assert ((turns >= 0) & ((turns < CLOSED_MS // 2) | (turns == CLOSED_MS))).all()


def _everything() -> RoadNetwork:
    """Three streets of each class through one crossing, with every flag somewhere, and a long one."""
    streets = [
        Street(places, klass=klass, maxspeed=limit, contraflow=contraflow, way_flags=flags, extra=extra)
        for klass in WayClass
        for places, limit, contraflow, flags, extra in (
            ("abc", 0, False, int(WayFlag.UNPAVED), int(EdgeFlag.GATE)),
            ("db", 255, True, int(WayFlag.DUAL_CARRIAGEWAY), 0),
            ("be", 5, False, int(WayFlag.ROUNDABOUT), int(EdgeFlag.PRIVATE | EdgeFlag.PEDESTRIAN)),
        )
    ]
    far = {**CROSS, "f": (90_000, 0)}
    network = draw(far, [*streets, Street("cf")], banned=["abd"], signals="b", u_turns=True)
    facts = np.asarray(network.turn_facts) | TurnFlag.LEVEL_CROSSING | TurnFlag.MINI_ROUNDABOUT
    return replace(network, turn_facts=facts.astype(np.uint16))


# ---- what the numbers do


def test_a_siren_is_never_slower_than_routine_driving(gothenburg: RoadNetwork) -> None:
    for hour in (None, 8):
        rush = dict.fromkeys(WayClass, (1.0,) * 7 + (0.6, 0.4) + (1.0,) * 15)
        calm, siren = (replace(p, hours=rush) for p in (ROUTINE, RESPONSE))
        (calm_ms, calm_usable), (siren_ms, siren_usable) = (edge_ms(gothenburg, p, hour) for p in (calm, siren))
        assert siren_usable[calm_usable].all()
        assert (siren_ms <= calm_ms)[calm_usable].all()
    assert (turn_ms(gothenburg, RESPONSE) <= turn_ms(gothenburg, ROUTINE)).all()


def test_a_siren_saves_what_was_measured_of_sirens(gothenburg: RoadNetwork) -> None:
    """0.61 of routine time in town, 0.69 in the country (see response.toml); here from everywhere to ten places."""
    main = np.flatnonzero(np.asarray(gothenburg.edge_flags) & EdgeFlag.MAIN)
    total_ms = dict.fromkeys(("routine", "response"), 0.0)
    weights = {name: weigh(gothenburg, PROFILES[name]) for name in total_ms}
    for edge in np.random.default_rng(1).choice(main, 10).tolist():
        for name in total_ms:
            field = ArrivalField.build(weights[name], Target.on_edge(edge, 32_768))
            total_ms[name] += float(field.at_end_ms[main].sum())
    assert 0.6 < total_ms["response"] / total_ms["routine"] < 0.75


def test_size_is_never_waived() -> None:
    """a -- b -- c -- d with a 2.0 m high underpass, a bridge for 3.5 t, and a 1.9 m wide alley."""
    places = {"a": (0, 0), "b": (100, 0), "c": (200, 0), "d": (300, 0)}
    streets = [Street("ab", extra=int(EdgeFlag.EMERGENCY)), Street("bc"), Street("cd")]
    limits = np.array([[20, 0, 0], [0, 0, 35], [0, 19, 0]], np.uint16)
    network = replace(draw(places, streets), way_limits=limits)

    def passes(profile: Profile) -> list[bool]:
        ms, usable = edge_ms(network, profile)
        assert (ms < CLOSED_MS).all(), "one that stands there can leave"
        return [bool(usable[edge_of(network, places, two)]) for two in ("ab", "bc", "cd")]

    assert passes(ROUTINE) == passes(RESPONSE) == [True, True, False]
    assert passes(PROFILES["motorbike"]) == passes(PROFILES["foot"]) == [True, True, True]
    assert passes(PROFILES["ambulance"]) == passes(PROFILES["tracked"]) == [False, False, False]
    assert passes(replace(RESPONSE, vehicle=replace(RESPONSE.vehicle, width_m=0.0))) == [True, True, True]
    assert passes(replace(RESPONSE, vehicle=replace(RESPONSE.vehicle, height_m=2.1)))[0] is False


def test_exceeding_ends_at_the_cap_and_no_limit_has_an_end() -> None:
    places = {"a": (0, 0), "b": (1000, 0), "c": (2000, 0), "d": (3000, 0), "e": (4000, 0)}
    network = draw(
        places,
        [
            Street("ab", maxspeed=50, klass=WayClass.RESIDENTIAL),
            Street("bc", maxspeed=70, klass=WayClass.RESIDENTIAL),
            Street("cd", maxspeed=255, klass=WayClass.MOTORWAY),
            Street("de", maxspeed=60, klass=WayClass.PRIMARY),
        ],
    )

    def kmh(profile: Profile) -> list[float]:
        ms = edge_ms(network, profile)[0]
        edges = [edge_of(network, places, two) for two in ("ab", "bc", "cd", "de")]
        return [round(float(network.edge_length_m[e]) * 3_600 / int(ms[e]), 1) for e in edges]

    assert kmh(ROUTINE) == [42.5, 59.5, 130.0, 51.0]
    assert kmh(RESPONSE) == [50.0, 70.0, 160.0, 75.0]
    assert kmh(PROFILES["tracked"]) == [45.0, 50.0, 50.0, 50.0]
    assert kmh(PROFILES["foot"]) == pytest.approx([5.04] * 4, abs=0.1)
    assert edge_ms(network, PROFILES["foot"])[1].tolist().count(False) == 2, "both ways of the motorway"


def test_contraflow_by_length_of_the_whole_stretch() -> None:
    """A one-way of 60 + 60 m against the arrow, in two pieces."""
    places = {"a": (0, 0), "b": (60, 0), "c": (120, 0), "d": (60, 60)}
    network = draw(places, [Street("abc", contraflow=True), Street("bd")])
    against = [edge_of(network, places, two) for two in ("ba", "cb")]

    def usable(**numbers: Any) -> list[bool]:
        profile = replace(RESPONSE, contraflow=replace(RESPONSE.contraflow, **numbers))
        return [bool(one) for one in edge_ms(network, profile)[1][against]]

    assert usable() == [True, True]
    assert usable(longest_m=100.0) == [False, False]
    assert usable(allowed=False) == [False, False]
    ms, _ = edge_ms(network, RESPONSE)
    assert ms[against[0]] == pytest.approx(60 * 3.6 / 20 * 1_000 + 4_000, rel=0.01)


def test_on_foot_one_ways_do_not_bind() -> None:
    places = {"a": (0, 0), "b": (100, 0), "c": (200, 0)}
    dual = int(WayFlag.DUAL_CARRIAGEWAY)
    network = draw(
        places,
        [
            Street("ab", contraflow=True, way_flags=dual),
            Street("bc", extra=int(EdgeFlag.PEDESTRIAN), legal=False, klass=WayClass.PEDESTRIAN),
        ],
    )
    for two in ("ab", "ba", "bc", "cb"):
        edge = edge_of(network, places, two)
        ms, usable = edge_ms(network, PROFILES["foot"])
        assert usable[edge]
        assert ms[edge] == pytest.approx(100 / 1.4 * 1_000, rel=0.01)
    assert not edge_ms(network, RESPONSE)[1][edge_of(network, places, "ba")]


@pytest.mark.parametrize("drives_on", ["right", "left"])
def test_the_turn_across_oncoming_traffic_costs_most(drives_on: str) -> None:
    r"""From a over b: to d on the left, e on the right, c straight on.

        d
        |
    a - b - c
        |
        e
    """
    network = draw(CROSS, [Street("abc"), Street("dbe")])
    network = replace(network, area=replace(network.area, drives_on=drives_on))
    ms = turn_ms(network, ROUTINE)

    def turn(two: str, then: str) -> int:
        a, b = edge_of(network, CROSS, two), edge_of(network, CROSS, then)
        return int(ms[np.flatnonzero((network.turn_from == a) & (network.turn_to == b))[0]])

    to_left, to_right = turn("ab", "bd"), turn("ab", "be")
    assert (to_left, to_right) == ((5_000, 3_000) if drives_on == "right" else (3_000, 5_000))
    assert turn("ab", "bc") == 0


@pytest.mark.parametrize(
    ("flag", "routine_ms", "response_ms"),
    [
        (TurnFlag.SIGNALS, 12_000, 3_600),
        (TurnFlag.STOP, 4_000, 1_200),
        (TurnFlag.SIGNALS | TurnFlag.STOP, 12_000, 3_600),
        (TurnFlag.MINI_ROUNDABOUT, 2_000, 1_000),
        (TurnFlag.LEVEL_CROSSING, 6_000, 5_000),
        (TurnFlag.LEVEL_CROSSING | TurnFlag.SIGNALS, 18_000, 8_600),
        (TurnFlag.RESTRICTED, CLOSED_MS, 5_000),
        (TurnFlag.RESTRICTED | TurnFlag.EMERGENCY_EXEMPT, CLOSED_MS, 0),
    ],
)
def test_what_stands_at_a_junction(flag: int, routine_ms: int, response_ms: int) -> None:
    network = draw(CROSS, [Street("abc"), Street("dbe")])
    a, c = edge_of(network, CROSS, "ab"), edge_of(network, CROSS, "bc")
    straight = np.flatnonzero((network.turn_from == a) & (network.turn_to == c))[0]
    facts = np.array(network.turn_facts)
    facts[straight] |= np.uint16(flag)
    network = replace(network, turn_facts=facts)
    assert [int(turn_ms(network, p)[straight]) for p in (ROUTINE, RESPONSE)] == [routine_ms, response_ms]


# ---- time of day


def test_rush_hour_slows_the_siren_less() -> None:
    network = draw(CROSS, [Street("ab", klass=WayClass.PRIMARY), Street("bc", klass=WayClass.RESIDENTIAL)])
    primary, residential = edge_of(network, CROSS, "ab"), edge_of(network, CROSS, "bc")
    hours = {**ROUTINE.hours, WayClass.PRIMARY: tuple([1.0] * 8 + [0.5] + [1.0] * 14 + [1.2])}
    for profile, slower in ((ROUTINE, 2.0), (RESPONSE, 1.4)):
        profile = replace(profile, hours=hours)
        free, rush, night = (edge_ms(network, profile, hour)[0] for hour in (None, 8, 23))
        assert rush[primary] == pytest.approx(free[primary] * slower, rel=1e-3)
        assert night[primary] < free[primary] or profile.name == "routine"
        assert rush[residential] == free[residential]
        assert (edge_ms(network, profile, 12)[0] == free).all()
    for hour in (-1, 24):
        with pytest.raises(ValueError, match="0 to 23"):
            edge_ms(network, ROUTINE, hour)


@pytest.mark.parametrize(
    ("utc", "zone", "hour"),
    [
        ("2026-01-15T07:30:00", "Europe/Stockholm", 8),
        ("2026-07-15T07:30:00", "Europe/Stockholm", 9),
        # clocks go from 2 to 3 in spring: there is no hour 2
        ("2026-03-29T00:59:59", "Europe/Stockholm", 1),
        ("2026-03-29T01:00:00", "Europe/Stockholm", 3),
        # and from 3 to 2 in autumn: hour 2 comes twice
        ("2026-10-25T00:30:00", "Europe/Stockholm", 2),
        ("2026-10-25T01:30:00", "Europe/Stockholm", 2),
        ("2026-10-25T02:00:00", "Europe/Stockholm", 3),
        ("2026-06-01T23:45:00", "Asia/Kolkata", 5),
        ("2026-06-01T23:45:00", "UTC", 23),
    ],
)
def test_the_hour_of_the_local_day(utc: str, zone: str, hour: int) -> None:
    from datetime import datetime

    assert hour_of(int(datetime.fromisoformat(utc + "+00:00").timestamp() * 1_000), zone) == hour


@pytest.mark.parametrize("zone", ["", "Europe/Atlantis", "/etc/passwd", "../x", "Europe"])
def test_a_zone_nobody_knows(zone: str) -> None:
    with pytest.raises(MapError, match="IANA"):
        hour_of(0, zone)


def test_ranges_are_finite() -> None:
    for key, allowed in keys().items():
        if allowed is not None:
            assert math.isfinite(allowed.low), key
            assert math.isfinite(allowed.high), key
            assert 0 <= allowed.low < allowed.high, key
