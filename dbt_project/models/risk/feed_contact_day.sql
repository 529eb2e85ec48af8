-- One row per feed and Beijing day on which its department answered, with the newest answer of that day.
-- A register with nothing new is as fresh as one that was sent anew, and so is a feed of events that may rightly be quiet:
-- both are judged by the department's answer, or by when a device of the feed's stream was last heard.
with contact as (
  select feed_id, received_at as contact_at from {{ ops('ledger_batch') }} where state <> 'rejected'
  union all
  select feed_id, ended_at as contact_at from {{ ops('fetch_outcome') }} where result in ('landed', 'nothing_new')
  union all
  select feeds.feed_id, heard.heard_at as contact_at
  from {{ ref('feeds') }} as feeds
  inner join {{ ops('stream_heard') }} as heard on feeds.raw_feed = heard.raw_feed
)

select feed_id, {{ beijing_date('contact_at') }} as contact_on, max(contact_at) as last_contact_at
from contact
group by feed_id, contact_on
