-- One row per subject and day: hazard, exposure, vulnerability and capacity from 0 to 1, and the scores made of them.
-- Hazard is the worst signal; the others are weighted means; what nothing describes stands at the neutral value.
-- inherent: static hazards, no measures. residual: inherent less measures, so never worse. current: with today's
-- readings, findings and warnings.
{{ config(
  materialized='incremental', incremental_strategy='delete+insert', unique_key='as_of_date', on_schema_change='fail'
) }}
with days as (
  select subject_id, subdomain, as_of_date, method_version
  from {{ ref('subject_day') }}
),

hazard as (
  select
    subject_id,
    as_of_date,
    max(weight * intensity) as hazard,
    max(case when not is_dynamic then weight * intensity end) as static_hazard,
    max_by(signal_code, (round(weight * intensity, 9), signal_code)) as hazard_signal
  from {{ ref('hazard') }}
  where as_of_date in (select as_of_date from {{ ref('risk_day') }})
  group by subject_id, as_of_date
),

exposure as (
  select
    subject_id,
    as_of_date,
    sum(weight * intensity) / sum(weight) as exposure,
    max_by(signal_code, (round(weight * intensity, 9), signal_code)) as exposure_signal
  from {{ ref('exposure') }}
  where as_of_date in (select as_of_date from {{ ref('risk_day') }})
  group by subject_id, as_of_date
),

vulnerability as (
  select
    subject_id,
    as_of_date,
    sum(weight * intensity) / sum(weight) as vulnerability,
    max_by(signal_code, (round(weight * intensity, 9), signal_code)) as vulnerability_signal
  from {{ ref('vulnerability') }}
  where as_of_date in (select as_of_date from {{ ref('risk_day') }})
  group by subject_id, as_of_date
),

capacity as (
  select
    subject_id,
    as_of_date,
    sum(weight * intensity) / sum(weight) as capacity,
    max_by(signal_code, (round(weight * (1 - intensity), 9), signal_code)) as capacity_signal
  from {{ ref('capacity') }}
  where as_of_date in (select as_of_date from {{ ref('risk_day') }})
  group by subject_id, as_of_date
),

joined as (
  select
    days.as_of_date,
    days.subject_id,
    days.subdomain,
    coalesce(hazard.hazard, method.neutral_value) as hazard,
    coalesce(hazard.static_hazard, hazard.hazard, method.neutral_value) as static_hazard,
    coalesce(exposure.exposure, method.neutral_value) as exposure,
    coalesce(vulnerability.vulnerability, method.neutral_value) as vulnerability,
    coalesce(capacity.capacity, method.neutral_value) as capacity,
    hazard.hazard_signal,
    exposure.exposure_signal,
    vulnerability.vulnerability_signal,
    capacity.capacity_signal,
    method.method_version
  from days
  inner join {{ ref('method') }} as method on days.method_version = method.method_version
  left join hazard on days.subject_id = hazard.subject_id and days.as_of_date = hazard.as_of_date
  left join exposure on days.subject_id = exposure.subject_id and days.as_of_date = exposure.as_of_date
  left join vulnerability on days.subject_id = vulnerability.subject_id and days.as_of_date = vulnerability.as_of_date
  left join capacity on days.subject_id = capacity.subject_id and days.as_of_date = capacity.as_of_date
),

logged as (
  select
    joined.*,
    ln({{ clipped('joined.hazard', 'method.factor_floor', 'method.factor_cap') }}) as ln_hazard,
    ln({{ clipped('joined.static_hazard', 'method.factor_floor', 'method.factor_cap') }}) as ln_static_hazard,
    method.exposure_weight * ln({{ clipped('joined.exposure', 'method.factor_floor', 'method.factor_cap') }})
    + method.vulnerability_weight * ln({{ clipped('joined.vulnerability', 'method.factor_floor', 'method.factor_cap') }})
      as ln_reach,
    method.lack_of_capacity_weight
    * ln({{ clipped('(1 - joined.capacity)', 'method.factor_floor', 'method.factor_cap') }}) as ln_lack,
    method.hazard_weight,
    method.hazard_weight + method.exposure_weight + method.vulnerability_weight as inherent_weight,
    method.index_scale
  from joined
  inner join {{ ref('method') }} as method on joined.method_version = method.method_version
)

select
  as_of_date,
  subject_id,
  subdomain,
  hazard,
  static_hazard,
  exposure,
  vulnerability,
  capacity,
  hazard_signal,
  exposure_signal,
  vulnerability_signal,
  capacity_signal,
  index_scale * exp((hazard_weight * ln_static_hazard + ln_reach) / inherent_weight) as inherent_score,
  index_scale * exp((hazard_weight * ln_static_hazard + ln_reach) / inherent_weight + ln_lack) as residual_score,
  index_scale * exp((hazard_weight * ln_hazard + ln_reach) / inherent_weight + ln_lack) as current_score,
  method_version
from logged
