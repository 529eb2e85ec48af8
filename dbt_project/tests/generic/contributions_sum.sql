{#- Contributions of each day, area and domain sum to ln(index / 100) within 1e-9, and their weights to 1. -#}
{% test contributions_sum(model, contribution) %}

with summed as (
  select as_of_date, area_code, domain, sum(contribution) as total, sum(weight) as weights
  from {{ contribution }}
  group by as_of_date, area_code, domain
)

select
  risk_index.as_of_date,
  risk_index.area_code,
  risk_index.domain,
  risk_index.index_value,
  summed.total,
  summed.weights
from {{ model }} as risk_index
left join summed
  on
    risk_index.as_of_date = summed.as_of_date
    and risk_index.area_code = summed.area_code
    and risk_index.domain = summed.domain
where
  summed.total is null
  or abs(summed.total - ln(risk_index.index_value / 100)) > 1e-9
  or abs(summed.weights - 1) > 1e-9

{% endtest %}
