"""Prometheus metrics of a task server.

With several processes, prometheus_client's multiprocess mode adds up their counters; the environment variable
PROMETHEUS_MULTIPROC_DIR turns it on and must be set before this module is imported. Gauges come from the process that
answers.
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
"""Bucket limits for request durations. A lease takes milliseconds; a finish may wait for the chain."""

disable_created_metrics()  # type: ignore[no-untyped-call]  # start times of counters double the output and nobody reads them


class Metrics:
    """The counters of one application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "finest_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "finest_request_seconds",
            "Time until the last byte of the answer.",
            ("route",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self.leases = Counter(
            "finest_leases", "Successful lease requests, including repeated ones.", registry=self._registry
        )
        self.finishes = Counter(
            "finest_finishes", "Successful finish requests, including repeated ones.", registry=self._registry
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
            registry.register(_CollectedMetrics(self._registry.collect()))
        registry.register(_CollectedMetrics(_gauges(statistics, subnet_age_s)))
        return generate_latest(registry)


class _CollectedMetrics(Collector):
    """Collector of metrics that have already been collected."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _gauges(statistics: Statistics | None, subnet_age_s: float | None) -> list[Metric]:
    gauges: list[Metric] = []
    if subnet_age_s is not None:
        gauges.append(GaugeMetricFamily("finest_subnet_age_seconds", "Age of the view of the subnet.", subnet_age_s))
    if statistics is not None:
        warcs = GaugeMetricFamily("finest_warcs", "WARCs by state.", labels=("crawl", "state"))
        for crawl in statistics.crawls:
            for state in ("open", "leased", "finished"):
                warcs.add_metric((crawl.crawl, state), getattr(crawl, state))
        tasks = GaugeMetricFamily("finest_tasks", "Tasks by state.", labels=("state",))
        for name, number in statistics.tasks.items():
            tasks.add_metric((name.value,), number)
        block = GaugeMetricFamily(
            "finest_block", "The server's estimate of the chain's current block.", statistics.block
        )
        gauges += [warcs, tasks, block]
    return gauges
