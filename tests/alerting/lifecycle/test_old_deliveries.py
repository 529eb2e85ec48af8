"""Old deliveries go, the young, the waiting and those of notifications stay."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from alerting.notify.retention import AT_ONCE, DELIVERIES_KEPT, forget_deliveries
from core.settings import Home
from core.store import tables
from core.store.database import open_ops

NOW = datetime(2026, 7, 10, 4, 0, tzinfo=UTC)


def test_only_what_was_settled_long_ago_goes(home: Home) -> None:
    engine = open_ops(home.ops_url)
    young, old = NOW - DELIVERIES_KEPT, NOW - DELIVERIES_KEPT - timedelta(seconds=1)

    def delivery(name: str, state: str, at: datetime, notice: str | None = "n1") -> dict[str, object]:
        return {
            "delivery_id": name,
            "notice_id": notice,
            "alert_id": None,
            "channel_id": "page",
            "target": "duty",
            "kind": "new",
            "body": "{}",
            "state": state,
            "attempts": 1,
            "next_at": at,
            "receipt": None,
            "created_at": at,
            "sent_at": None,
        }

    kept = [
        delivery("young", "sent", young),
        delivery("waiting", "waiting", old),
        delivery("failed", "failed", old),
        delivery("notification", "sent", old, None),
    ]
    gone = [delivery(f"old {number}", ("sent", "dead")[number % 2], old) for number in range(AT_ONCE + 3)]
    with engine.begin() as connection:
        connection.execute(sa.insert(tables.alert_delivery), kept + gone)
    assert forget_deliveries(engine, NOW) == len(gone)
    assert forget_deliveries(engine, NOW) == 0
    with engine.connect() as connection:
        left = set(connection.scalars(sa.select(tables.alert_delivery.c.delivery_id)))
    assert left == {str(row["delivery_id"]) for row in kept}
    engine.dispose()
