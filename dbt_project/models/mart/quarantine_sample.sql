-- Up to ten newest findings per feed, reason and outcome, with how many there are; a note on many rows only counts. Personal values are masked.
select
  id,
  feed_id,
  reason,
  grain,
  outcome,
  source_ref,
  locator,
  column_name,
  found,
  expected,
  n_rows,
  ordered.at as found_at,
  replayed_at,
  contract_version,
  n_total
from (
  select
    *,
    sum(n_rows) over (partition by feed_id, reason, outcome) as n_total,
    row_number() over (
      partition by feed_id, reason, outcome order by ledger.grain = 'rows', ledger.at desc, id desc
    ) as place
  from {{ ops('quarantine') }} as ledger
) as ordered
where place <= 10 and grain <> 'rows'
