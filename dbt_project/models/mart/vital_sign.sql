-- One row per day and sign of the city: its value and where that stands against its normal bounds.
-- green: within; yellow: outside; red: beyond the wider bounds. A day without data has no row.
-- Days that are over are whole; the day of the build is the 24 hours up to it.
with device_sign as (
  select
    daily.landed_on as as_of_date,
    signs.sign_code,
    case signs.kind
      when 'reading_max' then max(daily.max_value)
      when 'reading_min' then min(daily.min_value)
      when 'reading_hour_sum_max' then max(daily.hour_sum)
      when 'reading_range_max' then max(daily.range_value)
    end as value
  from {{ ref('device_value') }} as daily
  inner join {{ ref('feeds') }} as feeds on daily.feed_id = feeds.feed_id
  inner join {{ ref('vital_signs') }} as signs
    on daily.metric = signs.input and feeds.subdomain = signs.subdomain
  group by daily.landed_on, signs.sign_code, signs.kind
),

reporting as (
  select
    seen.as_of_date,
    device.subdomain,
    count(distinct seen.device_id) as n
  from {{ looked_at(ref('device_day'), 'last_observed_at') }} as seen
  inner join {{ ref('device') }} as device on seen.device_id = device.device_id
  where device.is_registered
  group by seen.as_of_date, device.subdomain
),

registered as (
  select subdomain, count(*) as n from {{ ref('device') }} where is_registered group by subdomain
),

online_sign as (
  select
    reporting.as_of_date,
    signs.sign_code,
    100.0 * reporting.n / registered.n as value
  from reporting
  inner join registered on reporting.subdomain = registered.subdomain
  inner join {{ ref('vital_signs') }} as signs
    on signs.kind = 'device_online_pct' and reporting.subdomain = signs.subdomain
),

inspected as (
  select
    as_of_date,
    subdomain,
    count(*) as n,
    100.0 * avg(case when result = 'pass' then 1.0 else 0.0 end) as pass_pct,
    100.0 * avg(case when result = 'fail' then case when rectified_at is null then 0.0 else 1.0 end end)
      as rectified_pct
  from {{ looked_at(ref('inspection'), 'inspected_at') }} as seen
  group by as_of_date, subdomain
),

inspection_sign as (
  select
    inspected.as_of_date,
    signs.sign_code,
    case signs.kind
      when 'inspection_count' then inspected.n
      when 'inspection_pass_pct' then inspected.pass_pct
      when 'inspection_rectified_pct' then inspected.rectified_pct
    end as value
  from inspected
  inner join {{ ref('vital_signs') }} as signs on inspected.subdomain = signs.subdomain
  where signs.kind in ('inspection_count', 'inspection_pass_pct', 'inspection_rectified_pct')
),

event_sign as (
  select
    event.as_of_date,
    signs.sign_code,
    count(*) as value
  from {{ looked_at(ref('event'), 'occurred_at') }} as event
  inner join {{ ref('vital_signs') }} as signs
    on
      event.subdomain = signs.subdomain
      and (
        (signs.kind = 'event_count' and signs.input = event.event_type)
        or (signs.kind = 'warning_count' and event.colour is not null)
      )
  group by event.as_of_date, signs.sign_code
),

index_sign as (
  select
    risk_index.as_of_date,
    signs.sign_code,
    risk_index.index_value as value
  from {{ ref('risk_index') }} as risk_index
  inner join {{ ref('risk_area') }} as area on risk_index.area_code = area.area_code and area.is_city
  inner join {{ ref('vital_signs') }} as signs on signs.kind = 'index' and risk_index.domain = signs.input
),

told as (
  select as_of_date, sign_code, value from device_sign
  union all
  select as_of_date, sign_code, value from online_sign
  union all
  select as_of_date, sign_code, value from inspection_sign
  union all
  select as_of_date, sign_code, cast(value as {{ sql_type('number') }}) as value from event_sign
  union all
  select as_of_date, sign_code, value from index_sign
)

select
  told.as_of_date,
  signs.sign_code,
  signs.name_zh,
  signs.name_en,
  told.value,
  signs.unit,
  signs.low,
  signs.high,
  case
    when told.value < signs.red_low or told.value > signs.red_high then 'red'
    when told.value < signs.low or told.value > signs.high then 'yellow'
    else 'green'
  end as status,
  signs.red_low,
  signs.red_high
from told
inner join {{ ref('vital_signs') }} as signs on told.sign_code = signs.sign_code
where told.value is not null
