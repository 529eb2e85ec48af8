-- One row per version of the method: its parameters and component weights as columns. `method_day` says which version is
-- in force on which day.
{{ config(materialized='view') }}
with parameters as (
  select
    method_version,
    {%- for name in [
      'factor_floor', 'factor_cap', 'index_scale', 'mean_power', 'neutral_value', 'history_days', 'opening_share', 'settle_days',
      'carry_days', 'inspection_window_days', 'inspection_count_days', 'attendance_window_days', 'warning_carry_days',
      'online_days', 'reasons_named', 'freshness_fresh', 'freshness_late', 'freshness_silent', 'held_factor',
    ] %}
    max(case when parameter = '{{ name }}' then value end) as {{ name }}{{ "," if not loop.last }}
    {%- endfor %}
  from {{ ref('method_parameters') }}
  group by method_version
),

components as (
  select
    method_version,
    max(case when factor = 'hazard' then weight end) as hazard_weight,
    max(case when factor = 'exposure' then weight end) as exposure_weight,
    max(case when factor = 'vulnerability' then weight end) as vulnerability_weight,
    max(case when factor = 'lack_of_capacity' then weight end) as lack_of_capacity_weight
  from {{ ref('risk_factor_weights') }}
  where level = 'component'
  group by method_version
)

select
  parameters.*,
  components.hazard_weight,
  components.exposure_weight,
  components.vulnerability_weight,
  components.lack_of_capacity_weight
from {{ ref('method_versions') }} as versions
inner join parameters on versions.method_version = parameters.method_version
inner join components on versions.method_version = components.method_version
