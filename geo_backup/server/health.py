"""The server itself over HTTP: what runs here, whether it is well, and its figures."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from geo_backup import __version__
from geo_backup.node import Node
from geo_backup.node.health import BYGONE, NAMES
from geo_backup.pair.pair import Pair
from geo_backup.server.answers import told
from geo_backup.server.given import TheNode, ThePair, TheQuarantine, TheSpeakers, routes_of
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
async def get_metrics(node: TheNode, quarantine: TheQuarantine, pair: ThePair) -> Response:
    """The node's figures for Prometheus, and its process's: CPU, memory, open files (on Linux)."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Figures(node, quarantine, pair))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Figures(Collector):
    """The node's figures, read when they are asked for."""

    def __init__(self, node: Node, quarantine: Quarantine, pair: Pair | None) -> None:
        self.node, self.quarantine, self.pair = node, quarantine, pair

    def collect(self) -> Iterable[Metric]:
        node, live_map = self.node, self.node.live_map
        for name, value in (*node.counters.items(), ("rankings", node.ranker.made)):
            yield CounterMetricFamily(f"geo_backup_{name}", f"{name} so far", value=value)
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
            log, standby = self.pair.log, self.pair.leader.standby
            behind = log.last_seq - log.standby_has if standby is not None else 0
            yield GaugeMetricFamily("geo_backup_leads", "1 on the machine that writes the log", value=log.leads)
            yield GaugeMetricFamily("geo_backup_term", "which time at the head of the log it is", value=log.term.number)
            yield GaugeMetricFamily("geo_backup_standby", "1 while a standby follows", value=standby is not None)
            yield GaugeMetricFamily("geo_backup_standby_behind", "events the standby does not have", value=behind)
        yield GaugeMetricFamily("geo_backup_seq", "log position folded", value=live_map.seq)
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
