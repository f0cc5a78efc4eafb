"""Who of many nodes leads, with a clock driven by hand."""

from __future__ import annotations

from geo_backup.cluster.lead import SILENT_S, TURN_S, UNHEARD_S, Beat, Lead

A, B, C = "http://a", "http://b", "http://c"


def beat(node: str, *, ready: bool = True, now_ms: int = 0, process: str = "") -> Beat:
    return Beat(node, process or f"process of {node}", ready, 1, 1, now_ms)


def lead(node: str) -> Lead:
    return Lead(node, f"process of {node}")


def hears(one: Lead, now_s: float, *nodes: str) -> None:
    for node in nodes:
        one.hear(beat(node), 0, now_s)


def test_a_node_leads_while_it_hears_itself() -> None:
    one = lead(A)
    assert not one.leads(A, 0.0), "it has heard nothing yet"
    hears(one, 0.0, A, B)
    assert one.leads(A, UNHEARD_S)
    assert not one.leads(B, UNHEARD_S)
    assert not one.leads(A, UNHEARD_S + 0.1), "what it says comes back to nobody"


def test_the_nodes_that_hear_a_silent_leader_claim_one_after_the_other() -> None:
    nodes = {A: lead(A), B: lead(B)}
    claimed: dict[str, float] = {}
    for tenth in range(60):
        for name, one in nodes.items():
            hears(one, tenth / 10, A, B, *((C,) if tenth <= 5 else ()))
            if one.is_to_claim(C, tenth / 10):
                claimed.setdefault(name, tenth / 10)
    assert SILENT_S < claimed[A] - 0.5 < SILENT_S + 0.2, "half a second after the start it was heard last"
    assert TURN_S - 0.01 <= claimed[B] - claimed[A] < TURN_S + 0.2
    assert not nodes[B].is_to_claim(A, 6.0), "somebody who is heard leads"


def test_a_leader_leads_no_more_before_another_may_claim() -> None:
    """Cut off at 10 s: the others still hear each other, it does not hear itself."""
    cut, other = lead(A), lead(B)
    for tenth in range(101):
        hears(cut, tenth / 10, A, B)
        hears(other, tenth / 10, A, B)
    claimed = None
    for tenth in range(101, 200):
        hears(other, tenth / 10, B)
        if other.is_to_claim(A, tenth / 10):
            claimed = tenth / 10
            break
    assert claimed is not None
    assert claimed < 15.0, "within five seconds"
    assert not cut.leads(A, claimed)
    assert not cut.leads(A, claimed - 0.5)


def test_who_does_not_hear_itself_or_has_not_everything_claims_nothing() -> None:
    deaf, late = lead(A), lead(B)
    for now in range(20):
        hears(deaf, now, C)
        late.hear(beat(B, ready=False), 0, now)
        assert not deaf.is_to_claim("", now)
        assert not late.is_to_claim("", now)


def test_the_first_node_of_a_log_that_nobody_led_waits_for_nobody() -> None:
    one = lead(A)
    hears(one, 0.0, A)
    assert not one.is_to_claim("", 0.0)
    assert one.is_to_claim("", 0.6)


def test_a_leader_that_starts_again_leads_on() -> None:
    one = lead(A)
    hears(one, 0.0, A, B)
    assert one.leads(A, 0.1)
    assert not one.is_to_claim(A, 0.1)


def test_two_processes_of_one_name_are_told_apart() -> None:
    one = lead(A)
    hears(one, 0.0, A)
    assert one.twin(0.0) == ""
    assert one.hear(beat(A, process="another"), 0, 0.1), "it is to hear at once that it is not alone"
    assert not one.hear(beat(A, process="another"), 0, 0.2)
    assert "--url" in one.twin(0.2)
    assert one.twin(0.3 + SILENT_S) == "", "it is gone"


def test_a_clock_that_differs_is_said() -> None:
    one = lead(A)
    one.hear(beat(A, now_ms=100_000), 100_000, 0.0)
    one.hear(beat(B, now_ms=103_000), 100_000, 0.0)
    assert one.clock_words(0.0) == ""
    one.hear(beat(C, now_ms=40_000), 100_000, 0.0)
    assert "http://c is 60 s behind" in one.clock_words(0.0)


def test_what_was_not_heard_for_long_is_forgotten() -> None:
    one = lead(A)
    hears(one, 0.0, A, B)
    hears(one, 4_000.0, A)
    one.forget(4_000.0)
    assert list(one.there(4_000.0)) == [A]
    assert list(one.peers) == [A]
