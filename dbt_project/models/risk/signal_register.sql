-- One row per subject, computed day and signal that a register gives: attributes, ages, overdue days, R of GB 18218.
-- A register is judged on the day it was received at the latest, so that its silence ages nothing.
{{ config(materialized='view') }}
with described as (
  select
    subject.subject_id,
    subject.as_of_date,
    subject.received_on,
    bounds.signal_code,
    bounds.kind,
    case bounds.input
      when 'people' then cast(subject.people as {{ sql_type('string') }})
      when 'grade' then subject.grade
      when 'status' then subject.status
      when 'object_subtype' then subject.object_subtype
      when 'built_on' then cast(subject.built_on as {{ sql_type('string') }})
      when 'r_value' then cast(hazard.r_value as {{ sql_type('string') }})
      else {{ json_text_of('subject.attributes', 'bounds.input') }}
    end as told
  from {{ ref('subject_day') }} as subject
  inner join {{ ref('signal_bounds') }} as bounds
    on subject.object_type = bounds.object_type and subject.method_version = bounds.method_version
  left join {{ ref('major_hazard_unit') }} as hazard on subject.subject_id = hazard.unit_id
  where bounds.kind in ('register', 'age_years', 'days_since', 'gb18218')
)

select
  described.subject_id,
  described.as_of_date,
  described.signal_code,
  case described.kind
    when 'age_years'
      then {{ days_between(read_as('described.told', 'date'), 'least(described.as_of_date, described.received_on)') }} / 365.25
    when 'days_since'
      then {{ days_between(read_as('described.told', 'date'), 'least(described.as_of_date, described.received_on)') }}
    else {{ read_as('described.told', 'number') }}
  end as raw_value,
  case when described.kind = 'register' then described.told end as raw_class
from described
