-- One row per subject and day: hazard, exposure, vulnerability and capacity from 0 to 1, and the scores made of them.
-- Hazard is the worst signal; the others are weighted means; what nothing describes stands at the neutral value.
-- inherent: static hazards, no measures. residual: inherent less measures, so never worse. current: with today's
-- readings, findings, warnings and open alerts.
-- No score lies below its floor (`score_floors`): what a grade or a breached threshold says, no low exposure hides.
{{ config(
  materialized='incremental', incremental_strategy='delete+insert', unique_key='as_of_date',
  on_schema_change='append_new_columns'
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
      (
        round(weight * case when component = 'capacity' then 1 - intensity else intensity end, 9), is_dynamic, signal_code
      )
    ) as worst_signal
  from {{ ref('signal') }}
  where as_of_date in (select as_of_date from {{ ref('risk_day') }})
  group by subject_id, as_of_date, component
),

-- Of a major hazard the grade counts that its substances give, and the one that it is registered with.
told as (
  select subject_id, as_of_date, method_version, signal_code, raw_value, raw_class as class
  from {{ ref('signal') }}
  where as_of_date in (select as_of_date from {{ ref('risk_day') }})
  union all
  select
    subject_day.subject_id,
    subject_day.as_of_date,
    subject_day.method_version,
    bounds.signal_code,
    cast(null as {{ sql_type('number') }}) as raw_value,
    graded.grade as class
  from {{ ref('subject_day') }} as subject_day
  inner join {{ ref('signal_bounds') }} as bounds
    on
      bounds.kind = 'gb18218'
      and subject_day.object_type = bounds.object_type
      and subject_day.method_version = bounds.method_version
  inner join (
    select unit_id, cast(null as date) as as_of_date, cast(grade as {{ sql_type('string') }}) as grade
    from {{ ref('major_hazard_unit') }}
    union all
    select registered.subject_id as unit_id, registered.as_of_date, registered.grade
    from {{ ref('subject_day') }} as registered
  ) as graded
    on subject_day.subject_id = graded.unit_id
    and subject_day.as_of_date = coalesce(graded.as_of_date, subject_day.as_of_date)
),

floored as (
  select
    told.subject_id,
    told.as_of_date,
    max(inherent.lower_bound) as inherent_floor,
    max(residual.lower_bound) as residual_floor,
    max(current_cut.lower_bound) as current_floor,
    max_by(
      floors.signal_code,
      (inherent.severity_rank + residual.severity_rank, floors.signal_code, coalesce(floors.class, ''))
    ) filter (where inherent.lower_bound > 0) as floor_signal,
    nullif(
      max_by(
        coalesce(floors.class, ''),
        (inherent.severity_rank + residual.severity_rank, floors.signal_code, coalesce(floors.class, ''))
      ) filter (where inherent.lower_bound > 0), ''
    ) as floor_class
  from told
  inner join {{ ref('score_floors') }} as floors
    on
      told.signal_code = floors.signal_code
      and told.method_version = floors.method_version
      and case floors.comparison
        when 'ge' then told.raw_value >= floors.value
        when 'gt' then told.raw_value > floors.value
        when 'le' then told.raw_value <= floors.value
        when 'lt' then told.raw_value < floors.value
        else told.class = floors.class
      end
  {%- for measure, cut in [('inherent', 'inherent'), ('residual', 'residual'), ('current', 'current_cut')] %}
  inner join {{ ref('colour_cuts') }} as {{ cut }}
    on
      {{ cut }}.scale = 'object_risk'
      and floors.method_version = {{ cut }}.method_version
      and floors.{{ measure }}_colour = {{ cut }}.colour
  {%- endfor %}
  group by told.subject_id, told.as_of_date
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
    coalesce(floored.inherent_floor, 0.0) as inherent_floor,
    coalesce(floored.residual_floor, 0.0) as residual_floor,
    coalesce(floored.current_floor, 0.0) as current_floor,
    floored.floor_signal,
    floored.floor_class,
    method.method_version
  from days
  inner join {{ ref('method') }} as method on days.method_version = method.method_version
  left join floored on days.subject_id = floored.subject_id and days.as_of_date = floored.as_of_date
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
  greatest(index_scale * exp((hazard_weight * ln_static_hazard + ln_reach) / inherent_weight), inherent_floor)
    as inherent_score,
  greatest(index_scale * exp((hazard_weight * ln_static_hazard + ln_reach) / inherent_weight + ln_lack), residual_floor)
    as residual_score,
  greatest(
    index_scale * exp((hazard_weight * ln_hazard + ln_reach) / inherent_weight + ln_lack), residual_floor, current_floor
  ) as current_score,
  method_version,
  floor_signal,
  floor_class
from logged
