-- A rule without a condition never alerts; one that only feeds others is looked at by some rule.
with n_conditions as (
  select rule_id, count(*) as n from {{ ref('alert_conditions') }} group by rule_id
),

n_lookers as (
  select rules.rule_id, count(lookers.rule_id) as n
  from {{ ref('alert_rules') }} as rules
  left join {{ ref('alert_rules') }} as lookers
    on concat('|', lookers.members, '|') like concat('%|', rules.rule_id, '|%')
  group by rules.rule_id
)

select rules.rule_id, rules.is_member_only, n_conditions.n as n_conditions, n_lookers.n as n_lookers
from {{ ref('alert_rules') }} as rules
left join n_conditions on rules.rule_id = n_conditions.rule_id
left join n_lookers on rules.rule_id = n_lookers.rule_id
where n_conditions.n is null or (rules.is_member_only and n_lookers.n = 0)
