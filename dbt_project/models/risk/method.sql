-- One row: the method in force on the day of this build, with its parameters and component weights as columns.
{{ config(materialized='view') }}
with in_force as (
  select max(versions.method_version) as method_version
  from {{ ref('method_versions') }} as versions
  cross join {{ this_build() }} as build
  where
    versions.method_version = build.method_version
    or (
      build.method_version is null
      and versions.valid_from <= build.as_of_date
      and (versions.valid_to is null or versions.valid_to > build.as_of_date)
    )
),

parameters as (
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
from in_force
inner join parameters on in_force.method_version = parameters.method_version
inner join components on in_force.method_version = components.method_version
