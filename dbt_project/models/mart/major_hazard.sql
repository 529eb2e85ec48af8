-- One row per hazard unit: S, R and grade of GB 18218-2018 from design maxima. Grade 1 is the worst.
select
  units.unit_id,
  units.s_value,
  units.r_value,
  units.alpha,
  units.exposed_people,
  units.grade,
  units.colour,
  units.grade_declared,
  cast(units.grade as {{ sql_type('string') }}) = units.grade_declared as agrees_with_declared,
  units.n_substances,
  units.n_unmatched,
  units.has_assumed_beta,
  objects.name_zh,
  objects.area_code,
  objects.lon,
  objects.lat
from {{ ref('major_hazard_unit') }} as units
inner join {{ ref('risk_object') }} as objects on units.unit_id = objects.object_id
