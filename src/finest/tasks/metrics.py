"""What a server counts, for Prometheus.

With several processes the counts of all are added up (prometheus_client's multiprocess mode, which
PROMETHEUS_MULTIPROC_DIR turns on before this is imported); gauges are those of the process that answers.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from finest.tasks.models import Statistics

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)
"""A lease takes milliseconds; a finish may wait for the chain."""

disable_created_metrics()  # type: ignore[no-untyped-call]  # when a counter began: twice the lines, and nobody asks


class Metrics:
    """The counters of one application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "finest_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "finest_request_seconds", "Time to the last byte.", ("route",), buckets=SECONDS, registry=self._registry
        )
        self.leases = Counter("finest_leases", "Leases answered, those given again included.", registry=self._registry)
        self.finishes = Counter(
            "finest_finishes", "Finishes answered, those said again included.", registry=self._registry
        )

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request; `route` is a pattern: one label for all tasks."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def render(self, statistics: Statistics | None, subnet_age_s: float | None) -> bytes:
        """All metrics in Prometheus' text format."""
        registry = CollectorRegistry()
        if os.environ.get(FOLDER):
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        else:
            registry.register(_Of(self._registry.collect()))
        registry.register(_Of(_gauges(statistics, subnet_age_s)))
        return generate_latest(registry)


class _Of(Collector):
    """Metrics that are there already."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _gauges(statistics: Statistics | None, subnet_age_s: float | None) -> list[Metric]:
    gauges: list[Metric] = []
    if subnet_age_s is not None:
        gauges.append(GaugeMetricFamily("finest_subnet_age_seconds", "Age of the view of the subnet.", subnet_age_s))
    if statistics is not None:
        warcs = GaugeMetricFamily("finest_warcs", "WARCs by what became of them.", labels=("crawl", "state"))
        for crawl in statistics.crawls:
            for state in ("open", "leased", "finished"):
                warcs.add_metric((crawl.crawl, state), getattr(crawl, state))
        tasks = GaugeMetricFamily("finest_tasks", "Tasks by state.", labels=("state",))
        for name, number in statistics.tasks.items():
            tasks.add_metric((name.value,), number)
        block = GaugeMetricFamily("finest_block", "The chain's block by this server's reckoning.", statistics.block)
        gauges += [warcs, tasks, block]
    return gauges
