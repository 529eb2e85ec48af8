"""What the listening process counts, for its `/metrics`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class Counts:
    """Counters in a registry of their own, so that two in one process (tests) do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"cityrisk_listen_{name}", text, labels, registry=self.registry)

        self.frames = counter("frames", "good frames of known devices", "protocol")
        self.bad = counter("bad_frames", "stretches of bytes that are no frame", "protocol")
        self.refused = counter("refused_frames", "frames of devices that may not speak", "protocol", "standing")
        self.turned_away = counter("turned_away", "connections and datagrams beyond a limit", "limit")
        self.closed = counter("closed", "connections closed by us", "cause")
        self.messages = counter("mqtt_messages", "messages from the broker's MQTT session", "feed")
        self.dropped = counter("mqtt_dropped", "messages that were not passed on", "cause")
        self.connections = Gauge("cityrisk_listen_connections", "open connections", registry=self.registry)
        self.entries = Gauge("cityrisk_listen_stored_entries", "frames and messages in RAW", registry=self.registry)
        self.pending = Gauge("cityrisk_listen_pending_bytes", "bytes on their way to RAW", registry=self.registry)
        self.waiting = Gauge("cityrisk_listen_broker_waits", "1 while RAW takes nothing", registry=self.registry)
