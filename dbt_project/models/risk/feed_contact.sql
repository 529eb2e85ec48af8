-- One row per feed: when its department last answered, how many of its batches are held, what this build leaves out.
with touched as (
  select feed_id, max(last_contact_at) as last_contact_at from {{ ref('feed_contact_day') }} group by feed_id
),

batches as (
  select
    feed_id,
    max(case when state <> 'rejected' then received_at end) as last_received_at,
    sum(case when state = 'held' then 1 else 0 end) as batches_held
  from {{ ops('ledger_batch') }}
  group by feed_id
)

select
  feeds.feed_id,
  feeds.domain,
  feeds.may_be_quiet,
  not feeds.may_be_quiet
  and (feeds.entities like '%reading%' or feeds.entities like '%event%' or feeds.entities like '%inspection%')
    as is_fact,
  feeds.late_after_s,
  feeds.silent_after_s,
  touched.last_contact_at,
  heard.heard_at,
  batches.last_received_at,
  coalesce(batches.batches_held, 0) as batches_held,
  left_out.reason as left_out_reason
from {{ ref('feeds') }} as feeds
left join {{ ops('stream_heard') }} as heard on feeds.raw_feed = heard.raw_feed and feeds.may_be_quiet
left join touched on feeds.feed_id = touched.feed_id
left join batches on feeds.feed_id = batches.feed_id
left join {{ left_out() }} as left_out on feeds.feed_id = left_out.feed_id
