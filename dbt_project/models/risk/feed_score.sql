-- One row per computed day and feed: how fresh it was at the end of that day, as a score from 0 to 1.
-- Facts by their newest event; registers by the department's last answer up to then, not by one that came later. Days
-- before the home are no department's fault: what it said first stands for them. When a stream's device was last heard is
-- known of now alone: until then its feeds that may be quiet count as heard.
with answered as (
  select
    risk_day.as_of_date,
    contact.feed_id,
    max(contact.last_contact_at) as last_contact_at
  from {{ ref('risk_day') }} as risk_day
  inner join {{ ref('feed_contact_day') }} as contact on contact.contact_on <= risk_day.as_of_date
  group by risk_day.as_of_date, contact.feed_id
),

aged as (
  select
    risk_day.as_of_date,
    risk_day.method_version,
    contact.feed_id,
    contact.domain,
    {{ seconds_between(
      "case when contact.is_fact then reference.last_observed_at "
      "when contact.heard_at > risk_day.ends_at then risk_day.ends_at "
      "else coalesce(answered.last_contact_at, "
      "case when risk_day.ends_at <= build.opened_at then contact.last_contact_at end) end",
      'risk_day.ends_at'
    ) }} as age_s,
    contact.late_after_s,
    contact.silent_after_s,
    risk_day.is_today and (contact.batches_held > 0 or contact.left_out_reason is not null) as is_partial
  from {{ ref('risk_day') }} as risk_day
  cross join {{ this_build() }} as build
  cross join {{ ref('feed_contact') }} as contact
  left join answered on risk_day.as_of_date = answered.as_of_date and contact.feed_id = answered.feed_id
  left join {{ ref('feed_reference') }} as reference
    on risk_day.as_of_date = reference.as_of_date and contact.feed_id = reference.feed_id
)

select
  aged.as_of_date,
  aged.feed_id,
  aged.domain,
  aged.age_s,
  case
    when aged.age_s <= aged.late_after_s then method.freshness_fresh
    when aged.age_s <= aged.silent_after_s then method.freshness_late
    else method.freshness_silent
  end * case when aged.is_partial then method.held_factor else 1 end as score
from aged
inner join {{ ref('method') }} as method on aged.method_version = method.method_version
