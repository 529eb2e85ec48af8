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

component as (
  select
    subject_id,
    as_of_date,
    component,
    case when component = 'hazard' then max(weight * intensity) else sum(weight * intensity) / sum(weight) end as value,
    max(case when not is_dynamic then weight * intensity end) as worst_static,
    max_by(
      signal_code,
      (round(weight * case when component = 'capacity' then 1 - intensity else intensity end, 9), signal_code)
    ) as worst_signal
  from {{ ref('signal') }}
  where as_of_date in (select as_of_date from {{ ref('risk_day') }})
  group by subject_id, as_of_date, component
),

joined as (
  select
    days.as_of_date,
    days.subject_id,
    days.subdomain,
    coalesce(hazard.value, method.neutral_value) as hazard,
    coalesce(hazard.worst_static, hazard.value, method.neutral_value) as static_hazard,
    {%- for component in ['exposure', 'vulnerability', 'capacity'] %}
    coalesce({{ component }}.value, method.neutral_value) as {{ component }},
    {%- endfor %}
    {%- for component in ['hazard', 'exposure', 'vulnerability', 'capacity'] %}
    {{ component }}.worst_signal as {{ component }}_signal,
    {%- endfor %}
    method.method_version
  from days
  inner join {{ ref('method') }} as method on days.method_version = method.method_version
  {%- for component in ['hazard', 'exposure', 'vulnerability', 'capacity'] %}
  left join component as {{ component }}
    on
      days.subject_id = {{ component }}.subject_id
      and days.as_of_date = {{ component }}.as_of_date
      and {{ component }}.component = '{{ component }}'
  {%- endfor %}
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
