-- One row per feed and delivery of a register: how much it names, and whether what it no longer names has left.
-- Only a complete snapshot ends anything. One with refused rows is partial; one that names far less than those before it
-- was cut somewhere. Both are taken for what they say and not for what they do not say. What a replay lands of a delivery
-- belongs to it: it carries the same receipt, and its rows are refused no longer. Of a file that was lost as a whole
-- nobody knows how many rows it had, so its replay is never taken for complete.
with named as (
  select feed_id, received_at, max(n) as n_named
  from (
    select feed_id, received_at, count(*) as n
    from {{ ref('all_object') }}
    group by feed_id, received_at
    union all
    select feed_id, received_at, count(*) as n
    from {{ ref('all_device') }}
    group by feed_id, received_at
  ) as counted
  group by feed_id, received_at
),

delivered as (
  select
    feed_id,
    received_at,
    sum(case when source_ref like '% (replay)' then -rows_in else rows_quarantined end) as n_refused
  from {{ ops('ledger_batch') }}
  where state not in ('withdrawn', 'relanded')
  group by feed_id, received_at
),

compared as (
  select
    named.*,
    feeds.snapshot,
    feeds.closes_from_share,
    delivered.n_refused,
    max(named.n_named) over (
      partition by named.feed_id order by named.received_at rows between 7 preceding and 1 preceding
    ) as n_named_before
  from named
  inner join {{ ref('feeds') }} as feeds on named.feed_id = feeds.feed_id
  left join delivered on named.feed_id = delivered.feed_id and named.received_at = delivered.received_at
),

judged as (
  select
    *,
    case
      when snapshot <> 'full' then 'incremental'
      when n_refused is null or n_refused <> 0 then 'rows_refused'
      when n_named < closes_from_share * n_named_before then 'too_small'
    end as open_reason
  from compared
)

select
  feed_id,
  received_at,
  n_named,
  n_named_before,
  n_refused,
  open_reason is null as closes,
  open_reason
from judged
