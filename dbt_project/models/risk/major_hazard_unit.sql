-- One row per hazard unit: S, R, alpha and grade of GB 18218-2018. The grade is null below S = 1; 1 is the worst.
-- Sums are rounded to nine decimals: equality counts, and binary fractions must not decide it.
with summed as (
  select
    unit_id,
    sum({{ gb18218_ratio('design_max_t', 'critical_quantity_t') }}) as s_value,
    sum(beta * {{ gb18218_ratio('design_max_t', 'critical_quantity_t') }}) as beta_sum,
    count(*) as n_substances,
    cast(sum(case when matched_by = 'unmatched' then 1 else 0 end) as bigint) as n_unmatched,
    max(case when is_beta_assumed then 1 else 0 end) = 1 as has_assumed_beta
  from {{ ref('major_hazard_substance') }}
  group by unit_id
),

weighted as (
  select
    summed.unit_id,
    round(coalesce(summed.s_value, 0.0), 9) as s_value,
    alpha.alpha,
    units.people as exposed_people,
    round(alpha.alpha * coalesce(summed.beta_sum, 0.0), 9) as r_value,
    units.grade as grade_declared,
    summed.n_substances,
    summed.n_unmatched,
    summed.has_assumed_beta
  from summed
  inner join {{ ref('risk_object') }} as units on summed.unit_id = units.object_id
  left join {{ ref('gb18218_alpha') }} as alpha
    on units.people >= alpha.people_from and (alpha.people_to is null or units.people < alpha.people_to)
)

select
  weighted.unit_id,
  weighted.s_value,
  weighted.r_value,
  weighted.alpha,
  weighted.exposed_people,
  grades.grade,
  grades.colour,
  weighted.grade_declared,
  weighted.n_substances,
  weighted.n_unmatched,
  weighted.has_assumed_beta
from weighted
left join {{ ref('gb18218_grades') }} as grades
  on
    weighted.s_value >= 1
    and weighted.r_value >= grades.r_from
    and (grades.r_to is null or weighted.r_value < grades.r_to)
