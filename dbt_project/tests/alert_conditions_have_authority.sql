-- Every condition of an alert rule says standard, clause and evidence grade, itself or by its threshold row, and its rank is its colour's.
with said as (
  select
    conditions.condition_id,
    conditions.severity_rank,
    ranks.severity_rank as rank_of_colour,
    coalesce(conditions.standard, thresholds.standard) as standard,
    coalesce(conditions.clause, thresholds.clause) as clause,
    coalesce(conditions.evidence_grade, thresholds.evidence_grade) as evidence_grade
  from {{ ref('alert_conditions') }} as conditions
  left join {{ ref('thresholds') }} as thresholds on conditions.threshold_id = thresholds.rule_id
  left join {{ ref('colour_ranks') }} as ranks on conditions.colour = ranks.colour
)

select condition_id, standard, clause, evidence_grade, severity_rank, rank_of_colour
from said
where
  standard is null or clause is null or evidence_grade is null
  or rank_of_colour is null or severity_rank <> rank_of_colour
