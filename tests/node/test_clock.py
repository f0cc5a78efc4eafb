"""The live clock through what happens to wall clocks, told as timelines on two clocks that are turned by hand."""

from __future__ import annotations

import pytest

from geo_backup.node.clock import HEARD_FOR_MS, PATIENCE_MS, STEP_MS, Clock, Mode

T0 = 1_700_000_000_000
HOUR = 3_600_000


class Hands:
    """The clocks of a machine, and the true time, which only satellites and this test know."""

    def __init__(self, off_ms: int = 0, mode: Mode = "live") -> None:
        self.true_ms, self.off_ms, self.steady_ms = T0, off_ms, 77_000
        self.clock = self.start(mode)

    def start(self, mode: Mode = "live", newest_ms: int = 0) -> Clock:
        """The program begins anew."""
        self.clock = Clock(mode, wall_ms=lambda: self.true_ms + self.off_ms, steady_ms=lambda: self.steady_ms)
        self.clock.begin_after(newest_ms)
        return self.clock

    def run(self, ms: int, units: int = 0, off_ms: int = 0, named: str = "P") -> None:
        """Time passes; so many units report each second, 1 s late, perhaps with clocks that are off."""
        for _ in range(0, ms, 1_000):
            self.true_ms += 1_000
            self.steady_ms += 1_000
            for unit in range(units):
                self.clock.hear(f"{named}{unit}", self.true_ms - 1_000 + off_ms)
            self.clock.now_ms()

    @property
    def error_ms(self) -> int:
        """How far the node's time is from the true one."""
        return self.clock.now_ms() - self.true_ms

    @property
    def doubt(self) -> tuple[str, int] | None:
        doubt = self.clock.doubt()
        return None if doubt is None else (doubt.reason, doubt.off_ms)


@pytest.mark.parametrize("step_ms", [-HOUR, HOUR])
@pytest.mark.parametrize("units", [0, 1, 5])
def test_a_step_is_not_believed_and_ends_when_the_clock_is_set_right(step_ms: int, units: int) -> None:
    world = Hands()
    world.run(10_000, units)
    world.off_ms = step_ms
    assert (world.error_ms, world.doubt) == (0, ("step", step_ms))
    world.run(5 * 60_000, units)
    assert (world.error_ms, world.doubt) == (0, ("step", step_ms))
    world.off_ms = 0
    assert (world.error_ms, world.doubt) == (0, None)


@pytest.mark.parametrize("off_ms", [-HOUR, HOUR])
def test_a_clock_that_was_wrong_from_the_start_is_set_right(off_ms: int) -> None:
    world = Hands(off_ms)
    world.run(5_000, units=2)
    assert world.doubt is None, "two units are no majority"
    world.run(5_000, units=5)
    assert (world.error_ms, world.doubt) == (off_ms, ("units", off_ms + 1_000)), "it is said, and not acted on"
    world.off_ms = 0
    assert (world.error_ms, world.doubt) == (0, None), "the units had said so before"


def test_units_that_are_heard_only_afterwards_judge_too_few_of_them_after_a_while() -> None:
    world = Hands(-HOUR)
    world.run(10_000)
    world.off_ms = 0
    assert (world.error_ms, world.doubt) == (-HOUR, ("step", HOUR))
    world.run(3_000, units=3)
    assert (world.error_ms, world.doubt) == (0, None)
    world.off_ms = HOUR
    world.run(HEARD_FOR_MS)
    world.off_ms = 0
    assert world.doubt is None
    alone = Hands(-HOUR)
    alone.run(10_000)
    alone.off_ms = 0
    alone.run(PATIENCE_MS - 1_000, units=1)
    assert alone.error_ms == -HOUR
    alone.run(2_000, units=1)
    assert (alone.error_ms, alone.doubt) == (0, None)


def test_what_was_buffered_does_not_vote_for_the_past() -> None:
    world = Hands()
    world.run(10_000, units=5)
    world.off_ms = -HOUR
    world.run(1_000, units=5)
    for unit in range(5):
        for late_ms in range(2 * HOUR, 0, -60_000):
            world.clock.hear(f"P{unit}", world.true_ms - late_ms)
    assert (world.error_ms, world.doubt) == (0, ("step", -HOUR))


def test_a_few_units_with_wrong_clocks_turn_nothing() -> None:
    world = Hands()
    world.run(10_000, units=5)
    world.clock.hear("P0", world.true_ms + HOUR)
    world.clock.hear("P1", world.true_ms + HOUR)
    world.off_ms = HOUR
    world.run(1_000)
    assert (world.error_ms, world.doubt) == (0, ("step", HOUR))


@pytest.mark.parametrize("right", [0, 2, 6])
def test_three_devices_an_hour_ahead_are_no_witnesses(right: int) -> None:
    world = Hands()
    for _ in range(30):
        world.run(1_000, units=3, off_ms=HOUR, named="wrong")
        world.run(1_000, units=right)
        assert (world.error_ms, world.doubt) == (0, None)
    for step_ms in (-HOUR, 40 * 60_000, 5 * HOUR):  # nearer to theirs, or so that they are ahead of both
        world.off_ms = step_ms
        for _ in range(PATIENCE_MS // 1_000):
            world.run(1_000, units=3, off_ms=HOUR, named="wrong")
            world.run(1_000, units=right)
        assert (world.error_ms, world.doubt) == (0, ("step", step_ms))
        world.off_ms = 0
        world.run(1_000)
        assert (world.error_ms, world.doubt) == (0, None)


def test_a_few_units_that_were_right_all_the_while_bear_out_a_clock_that_is_set_right() -> None:
    world = Hands(-HOUR)
    world.run(30_000, units=3)
    assert world.doubt is None, "three may all be wrong"
    world.off_ms = 0
    assert (world.error_ms, world.doubt) == (0, None), "but not by as much as the clock was set"


def test_most_of_many_must_speak_against_the_server() -> None:
    world = Hands()
    for _ in range(10):
        world.run(1_000, units=5, off_ms=HOUR, named="wrong")
        world.run(1_000, units=6)
    assert world.doubt is None
    world.run(130_000, units=5, off_ms=HOUR, named="wrong")
    assert world.doubt == ("units", 1_000 - HOUR)


def test_a_clock_that_is_slewed_or_set_by_a_little_is_followed() -> None:
    world = Hands()
    for _ in range(3_600):
        world.run(1_000)
        world.off_ms -= STEP_MS // 10
        assert (world.error_ms, world.doubt) == (world.off_ms, None)
    world.off_ms += STEP_MS - 1
    assert (world.error_ms, world.doubt) == (world.off_ms, None)
    world.off_ms += STEP_MS
    assert world.doubt == ("step", STEP_MS)


def test_a_start_with_a_wrong_clock_goes_on_from_the_log() -> None:
    world = Hands()
    world.run(10_000, units=5)
    newest_ms = world.clock.now_ms()
    world.run(120_000)  # the server is down
    world.off_ms = -HOUR
    world.start(newest_ms=newest_ms)
    assert (world.error_ms, world.doubt) == (-120_000, ("log", 120_000 - HOUR))
    world.run(2_000, units=2)
    assert world.error_ms == -120_000
    world.run(1_000, units=5)  # they are ahead of both
    assert -1_000 <= world.error_ms <= 0
    assert world.doubt is not None
    world.run(60_000, units=5)
    world.off_ms = 0
    assert (world.error_ms, world.doubt) == (0, None)


def test_a_log_that_was_written_with_a_wrong_clock_does_not_outlive_it() -> None:
    world = Hands(HOUR)
    world.run(10_000)
    newest_ms = world.clock.now_ms()
    world.off_ms = 0
    world.start(newest_ms=newest_ms)
    assert (world.error_ms, world.doubt) == (HOUR, ("log", -HOUR))
    world.run(3_000, units=3)
    assert (world.error_ms, world.doubt) == (0, None)
    world.start(newest_ms=world.true_ms + STEP_MS - 1)
    assert (world.error_ms, world.doubt) == (0, None)


def test_other_clocks_have_no_doubt() -> None:
    world = Hands(mode="simulated")
    world.off_ms = -HOUR
    world.run(60_000, units=5)
    assert (world.error_ms, world.doubt) == (0, None)
    replay = Clock("replay", T0, wall_ms=lambda: world.true_ms + world.off_ms, steady_ms=lambda: world.steady_ms)
    replay.begin_after(T0 + HOUR)
    replay.set(speed=10.0, playing=True)
    world.off_ms = HOUR
    world.run(1_000)
    assert (replay.now_ms(), replay.doubt()) == (T0 + 10_000, None)
    replay.set(now_ms=T0 + 5, playing=False)
    world.run(1_000)
    assert replay.now_ms() == T0 + 5
