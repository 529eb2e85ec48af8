-- One row per feed and check: its newest verdict. raised means that the check itself broke: a fault of ours.
select
  feed_id,
  check_id,
  kind,
  severity,
  verdict,
  observed,
  expected,
  message_zh,
  message_en,
  rows_checked,
  ordered.at as judged_at,
  run_id
from (
  select
    *,
    row_number() over (partition by feed_id, check_id order by ledger.at desc, id desc) as place
  from {{ ops('check_verdict') }} as ledger
) as ordered
where place = 1
