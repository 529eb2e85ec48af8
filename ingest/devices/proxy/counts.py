"""What the proxy counts, for its `/metrics`; messages and bytes are the broker's to count."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class Counts:
    """Counters in a registry of their own, so that two in one process (tests) do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"cityrisk_mqtt_{name}", text, labels, registry=self.registry)

        self.cut = counter("oversize", "messages that were larger than the broker takes")
        self.refused = counter("refused", "connections that the broker refused: user, password, protocol")
        self.turned_away = counter("turned_away", "connections beyond a limit", "limit")
        self.closed = counter("closed", "connections closed by us", "cause")
        self.connections = Gauge("cityrisk_mqtt_connections", "open connections of devices", registry=self.registry)
