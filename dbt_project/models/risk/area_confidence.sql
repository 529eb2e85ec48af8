-- One row per day, area and domain: how far its index can be trusted, A to D. Freshness of the domain's feeds times the
-- share of the area's devices that reported lately (`online_days`). It never touches the index itself.
{{ config(
  materialized='incremental', incremental_strategy='delete+insert', unique_key='as_of_date', on_schema_change='fail'
) }}
with fresh as (
  select as_of_date, domain, avg(score) as score
  from {{ ref('feed_score') }}
  group by as_of_date, domain
),

reported as (
  select distinct
    risk_day.as_of_date,
    device_day.device_id
  from {{ ref('risk_day') }} as risk_day
  inner join {{ ref('method') }} as method on risk_day.method_version = method.method_version
  inner join {{ ref('device_day') }} as device_day
    on
      device_day.landed_on <= risk_day.as_of_date
      and device_day.last_observed_at >= {{ seconds_later('risk_day.ends_at', '-86400 * method.online_days') }}
),

covered as (
  select
    device.as_of_date,
    area.area_code,
    device.domain,
    count(reported.device_id) / cast(count(*) as {{ sql_type('number') }}) as coverage
  from {{ ref('registered_device') }} as device
  inner join {{ ref('risk_area') }} as area
    on area.is_city or substr(device.area_code, 1, length(area.area_code)) = area.area_code
  left join reported on device.as_of_date = reported.as_of_date and device.device_id = reported.device_id
  group by device.as_of_date, area.area_code, device.domain
),

scored as (
  select
    risk_day.as_of_date,
    risk_day.method_version,
    area.area_code,
    domains.factor as domain,
    coalesce(fresh.score, 0.0) * coalesce(covered.coverage, 1.0) as score
  from {{ ref('risk_day') }} as risk_day
  cross join {{ ref('risk_area') }} as area
  inner join {{ ref('risk_factor_weights') }} as domains
    on domains.level = 'domain' and risk_day.method_version = domains.method_version
  left join fresh on risk_day.as_of_date = fresh.as_of_date and domains.factor = fresh.domain
  left join covered
    on
      risk_day.as_of_date = covered.as_of_date
      and area.area_code = covered.area_code
      and domains.factor = covered.domain
),

spread as (
  select as_of_date, method_version, area_code, domain, score from scored
  union all
  select as_of_date, method_version, area_code, 'all' as domain, avg(score) as score
  from scored
  group by as_of_date, method_version, area_code
)

select
  spread.as_of_date,
  spread.area_code,
  spread.domain,
  spread.score,
  cuts.confidence
from spread
inner join {{ ref('confidence_cuts') }} as cuts
  on
    spread.method_version = cuts.method_version
    and spread.score >= cuts.lower_bound
    and (cuts.upper_bound is null or spread.score < cuts.upper_bound)
