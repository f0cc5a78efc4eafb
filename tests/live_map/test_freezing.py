"""A copy of a live map that is made in parts is the map of the moment when it was begun."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from geo_backup.live_map import LiveMap, apply
from geo_backup.live_map.freezing import Freezing
from geo_backup.wire import checkpoint
from tests.conformance.event_log import registered
from tests.stories import any_story, desk_story


@given(any_story() | desk_story(), st.integers(0, 45), st.integers(0, 3))
def test_a_copy_in_parts_is_of_the_moment_when_it_began(story: list, begins: int, parts: int) -> None:  # type: ignore[type-arg]
    live_map = LiveMap()
    freezing, was = None, b""
    for seq, event in enumerate(story, start=1):
        if seq == begins + 1:
            freezing, was = Freezing(live_map), checkpoint.dump(live_map)
        if freezing is not None:
            freezing.before(event)
            freezing.some(parts)
        apply(live_map, seq, event)
    if freezing is not None:
        assert checkpoint.dump(freezing.whole()) == was


def test_a_large_map_is_written_as_in_one_piece() -> None:
    live_map = LiveMap()
    for n in range(1_203):
        apply(live_map, n + 1, registered(f"U{n}"))
    written = checkpoint.dump(live_map)
    assert orjson.dumps(orjson.loads(written)) == written
    assert checkpoint.dump(checkpoint.parse(written)) == written
