"""Ways become junctions, directed edges and turns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geo_backup.geodesy import distance_m
from geo_backup.roads.field import ArrivalField
from geo_backup.roads.network import FRACTION_ONE, TURN_KIND_MASK, EdgeFlag, RoadNetwork, TurnFlag, TurnKind, WayFlag
from geo_backup.roads.profile import RESPONSE, ROUTINE, edge_ms, fits
from geo_backup.roads.snap import Target
from geo_backup.roads.weights import weigh

from .drawing import Drawing

CROSS = {"W": (-3.0, 0.0), "X": (0.0, 0.0), "E": (3.0, 0.0), "N": (0.0, 3.0), "S": (0.0, -3.0)}


def cross() -> Drawing:
    """
        N
        |
    W - X - E
        |
        S
    """
    drawing = Drawing(dict(CROSS))
    drawing.way("WXE", name="Long Road")
    drawing.way("NXS", name="Short Road")
    return drawing


def kind(facts: int | None) -> TurnKind:
    assert facts is not None
    return TurnKind(facts & TURN_KIND_MASK)


def check_whole(network: RoadNetwork) -> None:
    """Every turn joins; the directions of a piece stand side by side."""
    assert np.all(network.edge_head[network.turn_from] == network.edge_tail[network.turn_to])
    assert np.count_nonzero(np.diff(network.edge_piece)) + 1 == len(np.unique(network.edge_piece))
    assert np.all(network.piece_length_m > 0)


def test_a_crossing(tmp_path: Path) -> None:
    drawing = cross()
    network, summary = drawing.build(tmp_path)
    check_whole(network)
    assert (network.junctions, network.pieces, network.edges) == (5, 4, 8)
    assert kind(drawing.turn(network, "WXE")) == TurnKind.STRAIGHT
    assert kind(drawing.turn(network, "WXN")) == TurnKind.LEFT
    assert kind(drawing.turn(network, "WXS")) == TurnKind.RIGHT
    assert drawing.turn(network, "WXW") is None, "no U-turn where one can go on"
    assert kind(drawing.turn(network, "XWX")) == TurnKind.U_TURN, "a dead end lets one turn"
    assert network.turns == 4 * 3 + 4
    assert all(network.edge_flags & EdgeFlag.MAIN)
    assert summary.main_share == 1.0
    assert summary.kilometres == pytest.approx(1.2, abs=0.01)
    edge = drawing.edge(network, "W", "X")
    assert edge is not None
    assert network.edge_name(edge) == "Long Road"
    assert network.edge_length_m[edge] == pytest.approx(300.0, rel=1e-3)


def test_shapes_survive_the_folder(tmp_path: Path) -> None:
    """A bend, and a straight step of 12 km that does not fit an int16 of 1e-6 degrees."""
    drawing = Drawing({"A": (0.0, 0.0), "B": (1.0, 2.0), "C": (3.0, 1.0), "D": (123.0, 1.0)})
    drawing.way("ABCD")
    network, _ = drawing.build(tmp_path)
    edge = drawing.edge(network, "A", "D")
    assert edge is not None
    line = network.edge_line(edge)
    assert len(line) > 4
    along = distance_m(line[:-1, 0], line[:-1, 1], line[1:, 0], line[1:, 1]).sum()
    assert along == pytest.approx(float(network.edge_length_m[edge]), abs=0.5)
    assert network.area.extent[2] == pytest.approx(line[-1, 0], abs=1e-6)


def test_short_one_way_streets_can_be_driven_the_wrong_way_by_siren(tmp_path: Path) -> None:
    """
    A > B > C   A-B is 140 m, B-C is 160 m, both one-way
    """
    drawing = Drawing({"A": (0.0, 0.0), "B": (1.4, 0.0), "C": (3.0, 0.0), "D": (-1.0, 0.0)})
    drawing.way("AB", oneway="yes")
    drawing.way("BC", oneway="yes")
    drawing.way("DA")
    network, _ = drawing.build(tmp_path)
    against = drawing.edge(network, "B", "A")
    assert against is not None
    assert network.edge_flags[against] == EdgeFlag.AGAINST_ONEWAY
    assert drawing.edge(network, "C", "B") is None


@pytest.mark.parametrize(
    "tags",
    [{"highway": "trunk"}, {"highway": "motorway_link"}, {"junction": "roundabout"}, {"dual_carriageway": "yes"}],
)
def test_never_the_wrong_way_where_it_kills(tmp_path: Path, tags: dict[str, str]) -> None:
    drawing = Drawing({"A": (0.0, 0.0), "B": (1.0, 0.0)})
    drawing.way("AB", **({"oneway": "yes"} | tags))
    network, _ = drawing.build(tmp_path)
    assert drawing.edge(network, "B", "A") is None


def test_wrong_way_stretches_do_not_add_up(tmp_path: Path) -> None:
    drawing = Drawing({"A": (0.0, 0.0), "B": (1.0, 0.0), "C": (2.0, 0.0)})
    drawing.way("AB", oneway="yes")
    drawing.way("BC", oneway="yes")
    network, _ = drawing.build(tmp_path)
    assert drawing.edge(network, "C", "B") is not None
    assert drawing.turn(network, "CBA") is None
    assert drawing.turn(network, "ABC") is not None


def test_the_halves_of_a_dual_carriageway_are_seen(tmp_path: Path) -> None:
    """
    A > > > B   15 m apart, same name
    D < < < C
    """
    drawing = Drawing({"A": (0.0, 0.15), "B": (1.2, 0.15), "C": (1.2, 0.0), "D": (0.0, 0.0)})
    drawing.way("AB", name="Avenyn", oneway="yes")
    drawing.way("CD", name="Avenyn", oneway="yes")
    network, _ = drawing.build(tmp_path)
    assert all(network.way_flags & WayFlag.DUAL_CARRIAGEWAY)
    assert drawing.edge(network, "B", "A") is None


def test_signals_stand_at_the_junction_or_shortly_before(tmp_path: Path) -> None:
    drawing = cross()
    drawing.nodes |= {"w": (-0.2, 0.0), "e": (1.0, 0.0)}
    drawing.ways[0] = ("WwXeE", drawing.ways[0][1])
    drawing.node_tags = {"w": {"highway": "traffic_signals"}, "e": {"highway": "traffic_signals"}}
    network, _ = drawing.build(tmp_path)
    assert network.junctions == 5, "a signal on the way is no junction"
    signals = {path for path in ("WXE", "EXW", "NXE") if (drawing.turn(network, path) or 0) & TurnFlag.SIGNALS}
    assert signals == {"WXE"}, "20 m before counts, 100 m before does not"


def test_signals_on_a_junction_count_for_all(tmp_path: Path) -> None:
    drawing = cross()
    drawing.node_tags = {"X": {"highway": "traffic_signals"}}
    network, _ = drawing.build(tmp_path)
    assert all((drawing.turn(network, path) or 0) & TurnFlag.SIGNALS for path in ("WXE", "EXW", "NXE", "SXW"))


def test_the_smaller_road_yields(tmp_path: Path) -> None:
    drawing = cross()
    drawing.ways[0][1]["highway"] = "primary"  # type: ignore[index]
    network, _ = drawing.build(tmp_path)
    assert (drawing.turn(network, "NXE") or 0) & TurnFlag.STOP
    assert not (drawing.turn(network, "WXN") or 0) & TurnFlag.STOP


def test_bollards_cut_and_gates_do_not(tmp_path: Path) -> None:
    """A - b - C with a bollard at b, and C - g - D with a gate at g."""
    drawing = Drawing({"A": (0.0, 0.0), "b": (1.0, 0.0), "C": (2.0, 0.0), "g": (3.0, 0.0), "D": (4.0, 0.0)})
    drawing.way("AbC")
    drawing.way("CgD")
    drawing.node_tags = {"b": {"barrier": "bollard"}, "g": {"barrier": "gate"}}
    network, summary = drawing.build(tmp_path)
    assert summary.blocking_barriers == 1
    assert drawing.edge(network, "A", "C") is None
    assert drawing.turn(network, "CgD") == TurnKind.STRAIGHT
    flags = {pair: int(network.edge_flags[drawing.edge(network, *pair)]) for pair in ("Cg", "gD", "Dg", "gC")}
    assert {pair for pair, held in flags.items() if held & EdgeFlag.GATE} == {"gD", "gC"}, "one gate, opened once"
    assert network.junctions == 6, "each side of the bollard has its own end"
    assert summary.gates == 1
    check_whole(network)


def test_islands_are_kept_and_marked(tmp_path: Path) -> None:
    drawing = cross()
    drawing.nodes |= {"P": (5.0, 5.0), "Q": (6.0, 5.0)}
    drawing.way("PQ")
    network, summary = drawing.build(tmp_path)
    island = drawing.edge(network, "P", "Q")
    assert island is not None
    assert not network.edge_flags[island] & EdgeFlag.MAIN
    assert summary.main_share == 0.8


def test_crossing_without_a_shared_vertex_does_not_join(tmp_path: Path) -> None:
    drawing = Drawing({"W": (-3.0, 0.0), "E": (3.0, 0.0), "N": (0.0, 3.0), "S": (0.0, -3.0)})
    drawing.way("WE")
    drawing.way("NS", bridge="yes", layer="1")
    network, _ = drawing.build(tmp_path)
    assert network.pieces == 2


def test_a_loop_back_to_its_own_start(tmp_path: Path) -> None:
    """A cul-de-sac that ends in a loop: A - B, B - C - D - B."""
    drawing = Drawing({"A": (0.0, 0.0), "B": (1.0, 0.0), "C": (2.0, 1.0), "D": (2.0, -1.0)})
    drawing.way("ABCDB")
    network, summary = drawing.build(tmp_path)
    check_whole(network)
    assert network.edges == 4
    assert summary.main_share == 1.0


def test_a_railway_is_crossed_once(tmp_path: Path) -> None:
    """
    W - t - X - E    t: a level crossing 200 m before X, inside the road; u: one at the junction of N and M
            |
            u        who drives W X, in either direction, crosses t; N-u-M crosses u
            |
            M
    """
    drawing = Drawing(
        {"W": (-3.0, 0.0), "t": (-2.0, 0.0), "X": (0.0, 0.0), "E": (3.0, 0.0), "u": (0.0, -2.0), "M": (0.0, -4.0)}
    )
    drawing.way("WtXE")
    drawing.way("Xu")
    drawing.way("uM")
    drawing.node_tags = {"t": {"railway": "level_crossing"}, "u": {"railway": "tram_level_crossing"}}
    network, _ = drawing.build(tmp_path)
    paths = ("WXE", "WXu", "EXW", "XWX", "XuM", "MuX", "EXu", "uXE")
    crossing = {path for path in paths if (drawing.turn(network, path) or 0) & TurnFlag.LEVEL_CROSSING}
    assert crossing == {"WXE", "WXu", "XWX", "XuM", "MuX"}, "EXW crosses after the junction: XWX says it"


def test_a_mini_roundabout_is_a_junction_where_all_yield_alike(tmp_path: Path) -> None:
    drawing = cross()
    drawing.ways[0][1]["highway"] = "primary"  # type: ignore[index]
    drawing.node_tags = {"X": {"highway": "mini_roundabout"}, "W": {"highway": "mini_roundabout"}}
    network, _ = drawing.build(tmp_path)
    for path in ("WXE", "WXN", "NXE", "SXW"):
        facts = drawing.turn(network, path) or 0
        assert facts & TurnFlag.MINI_ROUNDABOUT
        assert not facts & TurnFlag.STOP
    assert not (drawing.turn(network, "XWX") or 0) & TurnFlag.MINI_ROUNDABOUT, "the end of a road is no junction"


def test_an_all_way_stop_stops_all(tmp_path: Path) -> None:
    """`stop=all` on the crossing itself; `stop=minor` leaves it to the size of the roads."""
    drawing = cross()
    drawing.ways[0][1]["highway"] = "primary"  # type: ignore[index]
    for said, stopping in (("all", {"WXE", "EXN", "NXE", "SXN"}), ("minor", {"NXE"})):
        drawing.node_tags = {"X": {"highway": "stop", "stop": said}}
        network, _ = drawing.build(tmp_path)
        paths = ("WXE", "EXN", "NXE", "SXN")
        assert {path for path in paths if (drawing.turn(network, path) or 0) & TurnFlag.STOP} == stopping


def test_a_locked_gate_is_for_emergency_vehicles_alone(tmp_path: Path) -> None:
    """
    A - g - B - C       g is locked: the legal way from A to C leads round by D and F
    |           |
    D - - - - - F
    """
    drawing = Drawing(
        {"A": (0.0, 0.0), "g": (1.0, 0.0), "B": (2.0, 0.0), "C": (3.0, 0.0), "D": (0.0, -5.0), "F": (3.0, -5.0)}
    )
    drawing.way("AgBC", name="Gated Lane")
    drawing.way("ADFC", name="Long Way")
    for tags, banned in (({"access": "no"}, True), ({"access": "private"}, False)):
        drawing.node_tags = {"g": {"barrier": "gate", **tags}}
        network, summary = drawing.build(tmp_path)
        facts = drawing.turn(network, "AgC")
        assert facts is not None
        assert bool(facts & TurnFlag.RESTRICTED) == bool(facts & TurnFlag.EMERGENCY_EXEMPT) == banned
        assert (summary.gates, summary.locked_barriers) == (1 - banned, int(banned))
        assert summary.main_share == (1.0 if banned else 0.5), "two ways round a ring, joined where one turns round"
        start = drawing.edge(network, "A", "g")
        end = drawing.edge(network, "g", "C")
        assert start is not None
        assert end is not None
        names, times = {}, {}
        for profile in (ROUTINE, RESPONSE):
            field = ArrivalField.build(weigh(network, profile), Target.on_edge(end, FRACTION_ONE))
            route = field.route(start, FRACTION_ONE // 2)
            assert route is not None
            names[profile.name], times[profile.name] = route.streets, route.drive_ms
        assert names["response"] == ["Gated Lane"]
        assert times["response"] >= RESPONSE.access.gate_s * 1000
        assert (len(names["routine"]) > 1) == banned
        assert (drawing.turn(network, "AgA") is not None) == banned, "before a locked gate one turns round"


def test_a_node_without_a_barrier_can_be_closed(tmp_path: Path) -> None:
    drawing = Drawing({"A": (0.0, 0.0), "g": (1.0, 0.0), "B": (2.0, 0.0)})
    drawing.way("AgB")
    drawing.node_tags = {"g": {"access": "no"}}
    network, summary = drawing.build(tmp_path)
    assert summary.locked_barriers == 1
    facts = drawing.turn(network, "AgB")
    assert facts is not None
    assert facts & (TurnFlag.RESTRICTED | TurnFlag.EMERGENCY_EXEMPT) == TurnFlag.RESTRICTED | TurnFlag.EMERGENCY_EXEMPT


def test_one_turns_round_before_a_way_of_no_return(tmp_path: Path) -> None:
    """
    N           F
    |           |
    B - C - E > G > D
    |
    A
    """
    drawing = Drawing(
        {"A": (0, 0), "B": (0, 2), "N": (0, 4), "C": (2, 2), "E": (4, 2), "G": (6, 2), "F": (6, 4), "D": (8, 2)}
    )
    drawing.way("ABN")
    drawing.way("BC", name="Two")
    drawing.way("CE", name="Ways")
    trap = drawing.way("EGD", oneway="yes")
    drawing.way("GF", oneway="yes")
    drawing.forbid("no_u_turn", trap - 1, "E", trap - 1)
    network, summary = drawing.build(tmp_path)
    assert kind(drawing.turn(network, "CEC")) == TurnKind.U_TURN
    assert not (drawing.turn(network, "CEC") or 0) & TurnFlag.RESTRICTED, "the only way out cannot be forbidden"
    assert drawing.turn(network, "BCB") is None, "no sooner than one must"
    for path, main in (("BC", True), ("EC", True), ("EG", False), ("GF", False)):
        edge = drawing.edge(network, path[0], path[1])
        assert edge is not None
        assert bool(network.edge_flags[edge] & EdgeFlag.MAIN) == main
    assert summary.main_share == round(8 / 11, 4)


@pytest.mark.parametrize("seed", range(12))
def test_whoever_could_turn_round_somewhere_comes_back(tmp_path: Path, seed: int) -> None:
    """Streets of a grid, one-way at random: from each legal edge that leads to the main part if one may turn round
    wherever there are two directions, the network leads there."""
    rng = np.random.default_rng(seed)
    drawing = Drawing({chr(65 + 5 * y + x): (x * 2.0, y * 2.0) for x in range(5) for y in range(5)})
    for name in drawing.nodes:
        at = ord(name) - 65
        for there in ([at + 1] if at % 5 < 4 else []) + ([at + 5] if at < 20 else []):
            if rng.random() < 0.75:
                ends = name + chr(65 + there)
                drawing.way(ends if rng.random() < 0.5 else ends[::-1], oneway="yes" if rng.random() < 0.6 else "no")
    network, _ = drawing.build(tmp_path)
    legal, main = (network.edge_flags & flag != 0 for flag in (EdgeFlag.LEGAL, EdgeFlag.MAIN))
    real = set(zip(network.turn_from.tolist(), network.turn_to.tolist(), strict=True))
    both = network.piece_edges[(network.piece_edges >= 0).all(axis=1)]
    round_ = {(int(a), int(b)) for a, b in both if legal[a] and legal[b]} | {
        (int(b), int(a)) for a, b in both if legal[a] and legal[b]
    }
    reached = []
    for turns in (real, real | round_):
        found = set(np.flatnonzero(main).tolist())
        while more := {a for a, b in turns if b in found and legal[a] and legal[b]} - found:
            found |= more
        reached.append(found)
    assert reached[0] == reached[1]


def test_a_gate_that_stands_open_is_none(tmp_path: Path) -> None:
    drawing = Drawing({"A": (0.0, 0.0), "g": (1.0, 0.0), "B": (2.0, 0.0)})
    drawing.way("AgB")
    drawing.node_tags = {"g": {"barrier": "lift_gate", "access": "yes"}}
    network, _ = drawing.build(tmp_path)
    assert network.junctions == 2
    assert not np.any(network.edge_flags & EdgeFlag.GATE)


def test_what_stands_on_a_crossing_is_left_out_and_counted(tmp_path: Path) -> None:
    """Nobody knows which arm a gate, a bollard or a height restrictor at the crossing closes."""
    for tags in ({"barrier": "gate"}, {"barrier": "bollard"}, {"barrier": "gate", "access": "no"}):
        drawing = cross()
        drawing.node_tags = {"X": tags}
        network, summary = drawing.build(tmp_path)
        assert summary.barriers_on_crossings == 1
        assert (summary.gates, summary.locked_barriers, summary.blocking_barriers) == (0, 0, 0)
        assert not np.any(network.edge_flags & EdgeFlag.GATE)
        assert network.junctions == 5
    drawing = cross()
    drawing.node_tags = {"X": {"barrier": "height_restrictor", "maxheight": "2"}, "W": {"barrier": "dragon"}}
    network, summary = drawing.build(tmp_path)
    assert (summary.limits_on_crossings, summary.limited_ways, summary.unknown_barriers) == (1, 0, 0)
    drawing.nodes["y"] = (-1.0, 0.0)
    drawing.ways[0] = ("WyXE", drawing.ways[0][1])
    drawing.node_tags["y"] = {"barrier": "dragon"}
    assert drawing.build(tmp_path)[1].unknown_barriers == 1


def test_what_can_pass_under_and_over(tmp_path: Path) -> None:
    """
    A - B - C = D - h - E - F   A-B signed 3.8 m, C-D a bridge for 12 t, h a restrictor of 2.1 m inside D-E
                |
                G
    """
    drawing = Drawing({name: (2.0 * n, 0.0) for n, name in enumerate("ABCDhEF")} | {"G": (6.0, -3.0)})
    drawing.way("AB", maxheight="3.8 m", maxweight="7.5")
    drawing.way("BC", maxheight="default", maxwidth="7'6\"")
    drawing.way("CD", bridge="yes", maxweight="12")
    drawing.way("DhE", maxheight="4", name="Low Road")
    drawing.ways[-1] = ("DhEF", drawing.ways[-1][1])
    drawing.way("DG")
    drawing.way("EG")
    drawing.node_tags = {"h": {"barrier": "height_restrictor", "maxheight": "2.1"}}
    network, summary = drawing.build(tmp_path)
    limits = {}
    for pair in ("AB", "BC", "CD", "DE", "EF", "DG"):
        edge = drawing.edge(network, *pair)
        assert edge is not None
        limits[pair] = tuple(network.way_limits[network.edge_way[edge]].tolist())
        assert network.edge_name(edge) == ("Low Road" if pair in ("DE", "EF") else "")
    assert limits == {
        "AB": (38, 0, 0), "BC": (0, 22, 0), "CD": (0, 0, 120), "DE": (21, 0, 0), "EF": (40, 0, 0), "DG": (0, 0, 0),
    }  # fmt: skip
    assert summary.limited_ways == 5
    assert network.way_limits.shape == (len(network.way_id), 3)
    low = network.way_id[network.edge_way[[drawing.edge(network, "D", "E"), drawing.edge(network, "E", "F")]]]
    assert len(set(low.tolist())) == 1, "one way of the source, two of ours"


@pytest.mark.parametrize("key", ["maxheight", "maxwidth", "maxweight"])
@pytest.mark.parametrize(("side", "open_way"), [("forward", "BA"), ("backward", "AB")])
def test_a_limit_of_one_direction_closes_that_direction(tmp_path: Path, key: str, side: str, open_way: str) -> None:
    drawing = Drawing({"A": (0.0, 0.0), "B": (2.0, 0.0), "C": (4.0, 0.0)})
    drawing.way("AB", bridge="yes", **{f"{key}__{side}": "1.5"})
    drawing.way("BC")
    network, summary = drawing.build(tmp_path)
    passes = fits(network, ROUTINE.vehicle)
    for way in ("AB", "BA", "BC", "CB"):
        edge = drawing.edge(network, *way)
        assert edge is not None
        assert passes[edge] == (way in (open_way, "BC", "CB"))
        assert (edge_ms(network, ROUTINE)[1][edge]) == passes[edge]
    assert summary.limited_ways == 1


@pytest.mark.parametrize("kind", ["No_Left_Turn", "NO_LEFT_TURN", "no left turn", "no-left-turn", " no_left_turn "])
def test_a_restriction_in_capitals_is_one(tmp_path: Path, kind: str) -> None:
    drawing = Drawing({"A": (0.0, 0.0), "B": (2.0, 0.0), "C": (2.0, 2.0), "D": (4.0, 0.0)})
    a, c = drawing.way("AB"), drawing.way("BC")
    drawing.way("BD")
    drawing.forbid(kind, a, "B", c)
    drawing.restrictions[-1] = (
        {**drawing.restrictions[-1][0], "type": "Restriction"},
        [(role.title(), of, ref) for role, of, ref in drawing.restrictions[-1][1]],
    )
    _, summary = drawing.build(tmp_path)
    assert summary.restrictions_applied == 1
