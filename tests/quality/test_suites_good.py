"""Good data of every feed passes every check that its contract implies."""

from __future__ import annotations

import sqlalchemy as sa
from landed_rows import NOW, land_good

from core.contract import Contract
from core.settings import Home
from core.store import tables
from quality.checks import checks_of
from quality.run import check_feeds


def test_good_data_of_every_feed_passes_every_check(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract]
) -> None:
    land_good(home, engine, contracts, history_days=9)
    verdicts = check_feeds(home, engine, contracts, contracts, "run-1", NOW)
    assert set(verdicts) == set(contracts)
    for feed_id, contract in contracts.items():
        assert [v.check_id for v in verdicts[feed_id]] == [c.id for c in checks_of(contract)]
        for verdict in verdicts[feed_id]:
            assert verdict.verdict == "passed", verdict
            assert verdict.rows_checked == 200, verdict
            assert verdict.observed is not None, verdict
    with engine.connect() as connection:
        written = connection.execute(sa.select(sa.func.count()).select_from(tables.check_verdict)).scalar_one()
    assert written == sum(len(v) for v in verdicts.values())
