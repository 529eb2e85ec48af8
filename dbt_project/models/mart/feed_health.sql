-- One row per feed as this build saw it: does it arrive, how much, what was refused, which checks failed last.
-- Facts are fresh by their newest event, registers by the department's last answer.
with observed as (
  select feed_id, max(last_observed_at) as last_observed_at
  from {{ ref('feed_day') }}
  group by feed_id
),

batches as (
  select
    feed_id,
    sum(case when {{ seconds_between('received_at', as_of()) }} <= 86400 then rows_landed else 0 end) as rows_24h,
    sum(case when {{ seconds_between('received_at', as_of()) }} <= 86400 then rows_quarantined else 0 end)
      as quarantined_24h
  from {{ ops('ledger_batch') }}
  group by feed_id
),

judged as (
  select
    feed_id,
    sum(case when verdict = 'failed' then 1 else 0 end) as checks_failed,
    sum(case when verdict = 'raised' then 1 else 0 end) as checks_raised
  from {{ ref('check_verdict') }}
  group by feed_id
),

seen as (
  select
    contact.feed_id,
    contact.is_fact,
    contact.may_be_quiet,
    contact.last_contact_at,
    contact.last_received_at,
    contact.batches_held,
    contact.left_out_reason,
    contact.late_after_s,
    contact.silent_after_s,
    observed.last_observed_at,
    case
      -- No event is later than its receipt: a wrong clock keeps no feed fresh.
      when contact.is_fact and observed.last_observed_at > contact.last_received_at then contact.last_received_at
      when contact.is_fact then observed.last_observed_at
      else contact.last_contact_at
    end as last_sign_at
  from {{ ref('feed_contact') }} as contact
  left join observed on contact.feed_id = observed.feed_id
),

aged as (
  select
    seen.*,
    case
      when last_sign_at is null then 'silent'
      when {{ seconds_between('last_sign_at', as_of()) }} <= late_after_s then 'fresh'
      when {{ seconds_between('last_sign_at', as_of()) }} <= silent_after_s then 'late'
      else 'silent'
    end as freshness
  from seen
)

select
  feeds.feed_id,
  feeds.department_code,
  aged.last_observed_at,
  aged.last_received_at,
  aged.freshness,
  cast(coalesce(batches.rows_24h, 0) as bigint) as rows_24h,
  cast(coalesce(batches.quarantined_24h, 0) as bigint) as quarantined_24h,
  cast(aged.batches_held as bigint) as batches_held,
  cast(coalesce(judged.checks_failed, 0) as bigint) as checks_failed,
  cast(coalesce(judged.checks_raised, 0) as bigint) as checks_raised,
  feeds.name_zh,
  feeds.name_en,
  feeds.department_zh,
  feeds.domain,
  feeds.subdomain,
  aged.last_contact_at,
  case aged.freshness
    when 'late' then {{ seconds_later('aged.last_sign_at', 'aged.late_after_s') }}
    when 'silent' then {{ seconds_later('aged.last_sign_at', 'aged.silent_after_s') }}
  end as since_at,
  aged.late_after_s,
  aged.silent_after_s,
  aged.left_out_reason,
  {{ as_of() }} as as_of,
  case
    when aged.last_sign_at is null and {{ seconds_between('build.opened_at', as_of()) }} <= aged.silent_after_s
      then 'not_heard_yet'
    when
      aged.may_be_quiet and aged.freshness = 'fresh'
      and ({{ seconds_between('aged.last_observed_at', as_of()) }} > aged.late_after_s or aged.last_observed_at is null)
      then 'quiet'
    else aged.freshness
  end as state,
  build.opened_at
from {{ ref('feeds') }} as feeds
cross join {{ this_build() }} as build
inner join aged on feeds.feed_id = aged.feed_id
left join batches on feeds.feed_id = batches.feed_id
left join judged on feeds.feed_id = judged.feed_id
