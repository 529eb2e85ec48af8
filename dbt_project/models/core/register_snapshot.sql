-- One row per feed and landed batch of a register: how much it names, and whether what it no longer names has left.
-- Only a complete snapshot ends anything. One with refused rows is partial; one that names far less than those before it
-- was cut somewhere. Both are taken for what they say and not for what they do not say.
with named as (
  select feed_id, batch_id, min(received_at) as received_at, max(n) as n_named
  from (
    select feed_id, batch_id, min(received_at) as received_at, count(*) as n
    from {{ ref('all_object') }}
    group by feed_id, batch_id
    union all
    select feed_id, batch_id, min(received_at) as received_at, count(*) as n
    from {{ ref('all_device') }}
    group by feed_id, batch_id
  ) as counted
  group by feed_id, batch_id
),

compared as (
  select
    named.*,
    feeds.snapshot,
    feeds.closes_from_share,
    batch.rows_quarantined as n_refused,
    max(named.n_named) over (
      partition by named.feed_id order by named.received_at, named.batch_id rows between 7 preceding and 1 preceding
    ) as n_named_before
  from named
  inner join {{ ref('feeds') }} as feeds on named.feed_id = feeds.feed_id
  left join {{ ops('ledger_batch') }} as batch on named.batch_id = batch.batch_id
),

judged as (
  select
    *,
    case
      when snapshot <> 'full' then 'incremental'
      when n_refused is null or n_refused > 0 then 'rows_refused'
      when n_named < closes_from_share * n_named_before then 'too_small'
    end as open_reason
  from compared
)

select
  feed_id,
  batch_id,
  received_at,
  n_named,
  n_named_before,
  n_refused,
  open_reason is null as closes,
  open_reason
from judged
