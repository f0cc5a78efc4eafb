"""The server itself over HTTP: what runs here, whether it is well, and its figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from fastapi import Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from geo_backup import __version__
from geo_backup.node import Node
from geo_backup.node.health import BYGONE, NAMES
from geo_backup.pair.company import Company
from geo_backup.server.answers import told
from geo_backup.server.given import TheAnswered, TheNode, ThePair, TheQuarantine, TheSpeakers, routes_of
from geo_backup.server.problems import Problem, may
from geo_backup.server.quarantine import Quarantine
from geo_backup.wire import documents
from geo_backup.wire.told import Told

routes = routes_of("Server", prefix="")


@routes.get("/healthz")
async def get_health(node: TheNode, speakers: TheSpeakers) -> Told[documents.Health]:
    """What runs here. `open`: nobody is configured, and whoever reaches it may do everything."""
    return told(
        {
            "status": "degraded" if node.health.conditions else "ok",
            "conditions": node.health.document(),
            "mode": node.clock.mode,
            "seq": node.live_map.seq,
            "epoch": node.log.epoch,
            "software_version": __version__,
            "network_id": node.network.content_id,
            "rules_id": node.live_map.rules.rules_id,
            "area": node.network.area.name,
            "profiles": list(node.profiles),
            "open": speakers.open,
        }
    )


@routes.get("/readyz", responses=may(503))
async def get_readiness(node: TheNode) -> Told[documents.Readiness]:
    """200 once the log is folded and the kernels are compiled (the port opens only then), as long as nothing is
    wrong; else 503 with each thing that is, and what to do about it."""
    standing = [one for one in node.health.conditions if one.name not in BYGONE]
    if standing:
        wrong = [{"field": "", "reason": one.name, "message": one.words} for one in standing]
        raise Problem(503, "; ".join(one.words for one in standing), wrong)
    return told({"status": "ready"})


@routes.get("/metrics", response_class=PlainTextResponse)
async def get_metrics(node: TheNode, quarantine: TheQuarantine, pair: ThePair, answered: TheAnswered) -> Response:
    """The figures of the node and its process for Prometheus. `examples/centre/grafana.json` shows them."""
    registry = CollectorRegistry()
    registry.register(_Figures(node, quarantine, pair, answered))
    ProcessCollector(registry=registry)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Figures(Collector):
    """The node's figures, read when they are asked for."""

    def __init__(self, node: Node, quarantine: Quarantine, pair: Company | None, answered: Counter[int]) -> None:
        self.node, self.quarantine, self.pair, self.answered = node, quarantine, pair, answered

    def collect(self) -> Iterable[Metric]:
        node, live_map = self.node, self.node.live_map
        for name, value in (*node.counters.items(), ("rankings", node.ranker.made)):
            yield CounterMetricFamily(f"geo_backup_{name}", f"{name} so far", value=value)
        yield CounterMetricFamily(
            "geo_backup_frame_seconds", "what all frames took to be made and sent", value=node.frames_took_s
        )
        answered = CounterMetricFamily("geo_backup_requests", "requests that were answered", labels=["status"])
        for status, count in sorted(self.answered.items()):
            answered.add_metric([str(status)], count)
        yield answered
        ignored = CounterMetricFamily("geo_backup_ignored", "events that changed nothing", labels=["reason"])
        for reason, count in node.ignored.items():
            ignored.add_metric([reason], count)
        yield ignored
        heard = CounterMetricFamily("geo_backup_tracker_messages", "messages of trackers", labels=["way"])
        for way, count in self.quarantine.heard.items():
            heard.add_metric([way], count)
        aside = CounterMetricFamily("geo_backup_quarantined", "of them nobody could use", labels=["way", "reason"])
        for (way, reason), count in self.quarantine.counts.items():
            aside.add_metric([way, reason], count)
        receivers = GaugeMetricFamily("geo_backup_receiver", "what a receiver knows of itself", labels=["way", "what"])
        for way, figures in self.quarantine.figures.items():
            for what, figure in figures().items():
                receivers.add_metric([way, what], figure)
        yield from (heard, aside, receivers)
        wrong = GaugeMetricFamily("geo_backup_condition", "1 while this is wrong", labels=["name"])
        for name in NAMES:
            wrong.add_metric([name], any(one.name == name for one in node.health.conditions))
        yield wrong
        if self.pair is not None:
            for name, what, figure_of in self.pair.figures():
                yield GaugeMetricFamily(name, what, value=figure_of)
        yield GaugeMetricFamily("geo_backup_seq", "log position folded", value=live_map.seq)
        yield GaugeMetricFamily("geo_backup_log_waiting_seconds", "oldest write under way", value=node.log.waiting_s)
        yield GaugeMetricFamily("geo_backup_unrecorded", "facts of emergencies not on record", value=len(node.alarms))
        newest_ms = max((unit.fix.fix_ms for unit in live_map.units.values() if unit.fix is not None), default=None)
        if newest_ms is not None:
            age_s = (node.clock.now_ms() - newest_ms) / 1_000
            yield GaugeMetricFamily("geo_backup_fix_age_seconds", "age of the newest fix of all", value=age_s)
        yield GaugeMetricFamily("geo_backup_units", "units", value=len(live_map.units))
        yield GaugeMetricFamily("geo_backup_open_incidents", "open incidents", value=len(live_map.open_incidents()))
        yield GaugeMetricFamily("geo_backup_viewers", "websocket viewers", value=len(node.viewers))
        yield GaugeMetricFamily("geo_backup_ranking_seconds", "last round of rankings", value=node.ranker.lag_s)
        yield HistogramMetricFamily(
            "geo_backup_loop_late_seconds",
            "how late the event loop was, looked at fifty times a second",
            buckets=[(f"{bound_s:g}".replace("inf", "+Inf"), count) for bound_s, count in node.lateness.at_most()],
            sum_value=node.lateness.sum_s,
        )
