-- One row per case of a formula, computed with the macros that models use. No build makes it: the worked numbers of the
-- standards and papers are unit tests on it (_unit_tests.yml), and `method_cases` gives them its columns.
{{ config(materialized='ephemeral') }}
with cases as (
  select * from {{ ref('method_cases') }}
),

cuts as (
  select cuts.*
  from {{ ref('colour_cuts') }} as cuts
  where cuts.method_version = (select max_by(method_version, as_of_date) from {{ ref('method_day') }})
),

scored as (
  select case_id, formula, {{ lec('a', 'b', 'c') }} as result, 'lec' as scale
  from cases
  where formula = 'lec'
  union all
  select case_id, formula, a * b as result, label as scale
  from cases
  where formula = 'matrix'
  union all
  select case_id, formula, {{ tangent_angle('a', 'b', 'c', 'd') }} as result, 'tangent_angle' as scale
  from cases
  where formula = 'tangent_angle'
),

coloured as (
  select scored.case_id, scored.formula, scored.result, cuts.colour as label
  from scored
  left join cuts on scored.scale = cuts.scale and {{ in_cut('scored.result', 'cuts') }}
),

plain as (
  select case_id, formula, {{ instrument_intensity('a', 'b') }} as result
  from cases
  where formula = 'intensity'
  union all
  select case_id, formula, {{ annual_loss('a', 'b', 'c', 'd') }} as result
  from cases
  where formula = 'annual_loss'
  union all
  select cases.case_id, cases.formula, {{ iaqi('cases.a', 'points') }} as result
  from cases
  inner join {{ ref('aqi_breakpoints') }} as points
    on
      cases.label = points.pollutant
      and cases.a > points.concentration_low
      and cases.a <= points.concentration_high
  where cases.formula = 'iaqi'
  union all
  select case_id, formula, round({{ geometric_mean('a', 'b') }}, 3) as result  -- INFORM prints three places
  from cases
  where formula = 'geometric_mean'
  group by case_id, formula
  union all
  select case_id, formula, round({{ inverse_geometric_mean('a') }}, 3) as result
  from cases
  where formula = 'inverse_geometric_mean'
  group by case_id, formula
  union all
  select case_id, formula, {{ deducted('max(a)', 'sum(b)') }} as result
  from cases
  where formula = 'deduction'
  group by case_id, formula
),

points_of_item as (
  select cases.case_id, cases.formula, cases.label as colour, ranks.severity_rank, count(*) as n
  from cases
  inner join {{ ref('colour_ranks') }} as ranks on cases.label = ranks.colour
  where cases.formula = 'tailings_rollup'
  group by cases.case_id, cases.formula, cases.label, ranks.severity_rank
),

item as (
  select
    points_of_item.case_id,
    points_of_item.formula,
    greatest(max(points_of_item.severity_rank), coalesce(max(lifted.severity_rank), 0)) as severity_rank
  from points_of_item
  left join {{ ref('tailings_rollup') }} as rollup
    on points_of_item.colour = rollup.from_colour and points_of_item.n >= rollup.points_at_least
  left join {{ ref('colour_ranks') }} as lifted on rollup.to_colour = lifted.colour
  group by points_of_item.case_id, points_of_item.formula
)

select case_id, formula, result, label from coloured
union all
select case_id, formula, result, cast(null as {{ sql_type('string') }}) as label from plain
union all
select item.case_id, item.formula, cast(null as {{ sql_type('number') }}) as result, ranks.colour as label
from item
inner join {{ ref('colour_ranks') }} as ranks on item.severity_rank = ranks.severity_rank
