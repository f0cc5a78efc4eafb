"""Rankings and plans go by turnouts that were learned, and by the rule where nothing was."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from geo_backup.backup.question import whole_view
from geo_backup.backup.ranking import rank
from geo_backup.backup.standing import Standing
from geo_backup.backup.view import view
from geo_backup.events import Event, NetworkAdopted, RulesAdopted
from geo_backup.live_map.state import GENERATION
from geo_backup.wire import decisions
from tests.backup.test_ranking import Scene, position, river
from tests.rounds import rounds
from tests.stories import ms, opened, part, status

NAMES = ("a", "b", "c")


def scene_of(*story: Event) -> Scene:
    """Three units on station at one place, an incident, and what happens then."""
    scene = Scene(river())
    scene.tell(NetworkAdopted(received_ms=ms(0), network_id="n", area="a", software_version="1", generation=GENERATION))
    for unit_id in NAMES:
        scene.unit(unit_id, None)
        scene.tell(status(unit_id, "on_station", 0.5), position(unit_id, (200, 0), 1_000))
    scene.incident("i1", (900, 0))
    scene.tell(*story)
    return scene


def went(unit_id: str, n: int, after_s: float) -> list[Event]:
    """Sent from its station, and back there soon after."""
    name = f"taught-{n}"
    return [
        opened(name, 2), part(name, unit_id, "assigned", 2), part(name, unit_id, "en_route", 2 + after_s),
        part(name, unit_id, "cleared", 1_000), status(unit_id, "on_station", 1_000),
    ]  # fmt: skip


def turnouts(scene: Scene) -> dict[str, int]:
    return {row.unit_id: row.turnout_ms for row in scene.rank("i1", 1_001).candidates(9)}


def test_a_ranking_goes_by_what_crews_have_shown() -> None:
    assert turnouts(scene_of()) == dict.fromkeys(NAMES, 60_000)
    scene = scene_of(*(event for n in range(5) for event in went("a", n, 90)))
    found = turnouts(scene)
    assert found == {"b": 75_000, "c": 75_000, "a": 82_500}
    assert [row.unit_id for row in scene.rank("i1", 1_001).candidates(9)] == ["b", "c", "a"]
    scene.tell(RulesAdopted(received_ms=ms(1_000), rules={"pace": {"learn": 0}}))
    assert turnouts(scene) == dict.fromkeys(NAMES, 60_000)


@settings(max_examples=rounds(20), deadline=None)
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 300)), max_size=8))
def test_what_follows_equals_what_is_begun_anew_and_what_is_on_record(taken: list[tuple[str, int]]) -> None:
    scene = scene_of()
    follows = Standing(scene.network)
    follows.update(view(scene.live_map, ms(1_001)))
    for n, (unit_id, after_s) in enumerate(taken):
        scene.tell(*went(unit_id, n, after_s))
        follows.update(view(scene.live_map, ms(1_001), [unit_id]))
    anew, recorded = Standing(scene.network), Standing(scene.network)
    anew.update(view(scene.live_map, ms(1_001)))
    inputs = decisions.unpack_view(decisions.pack_view(whole_view(follows)))
    recorded.update(inputs)
    digests = {rank(standing, "i1").digest() for standing in (follows, anew, recorded)}
    assert len(digests) == 1
