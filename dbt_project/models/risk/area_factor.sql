-- One row per day, area, domain and factor: the factor's value, its weight and why. A factor is one component of one
-- subdomain, so the index of an area says which kind of thing drives it.
-- Weights are shared among the subdomains that the area has; a domain that it has nothing of stands at the floor.
{{ config(
  materialized='incremental', incremental_strategy='delete+insert', unique_key='as_of_date',
  on_schema_change='append_new_columns'
) }}
with weighing as (
  select
    subdomains.parent as domain,
    subdomains.factor as subdomain,
    components.factor as component,
    domains.weight as domain_weight,
    subdomains.weight as subdomain_weight,
    components.weight as component_weight,
    subdomains.name_zh as subdomain_zh,
    subdomains.name_en as subdomain_en,
    components.name_zh as component_zh,
    components.name_en as component_en,
    method.method_version,
    method.factor_floor
  from {{ ref('method') }} as method
  inner join {{ ref('risk_factor_weights') }} as subdomains
    on subdomains.level = 'subdomain' and method.method_version = subdomains.method_version
  inner join {{ ref('risk_factor_weights') }} as domains
    on
      domains.level = 'domain'
      and subdomains.parent = domains.factor
      and method.method_version = domains.method_version
  inner join {{ ref('risk_factor_weights') }} as components
    on components.level = 'component' and method.method_version = components.method_version
),

cell as (
  select
    risk_day.as_of_date,
    area.area_code,
    weighing.*,
    component.factor_value,
    component.n_subjects,
    component.people,
    component.exposure_basis,
    component.area_code is not null as is_present,
    max(case when component.area_code is not null then 1 else 0 end) over (
      partition by risk_day.as_of_date, area.area_code, weighing.domain
    ) = 1 as has_domain,
    max(case when component.area_code is not null then 1 else 0 end) over (
      partition by risk_day.as_of_date, area.area_code
    ) = 1 as has_any
  from {{ ref('risk_day') }} as risk_day
  cross join {{ ref('risk_area') }} as area
  inner join weighing on risk_day.method_version = weighing.method_version
  left join {{ ref('area_component') }} as component
    on
      risk_day.as_of_date = component.as_of_date
      and area.area_code = component.area_code
      and weighing.subdomain = component.subdomain
      and weighing.component = component.component
),

shared as (
  select
    *,
    subdomain_weight * component_weight
    / sum(subdomain_weight * component_weight) over (partition by as_of_date, area_code, domain) as weight_in_domain
  from cell
  where is_present or not has_domain
),

spread as (
  select domain as index_domain, weight_in_domain as weight, shared.* from shared
  union all
  select
    'all' as index_domain,
    domain_weight * weight_in_domain
    / sum(domain_weight * weight_in_domain) over (partition by as_of_date, area_code) as weight,
    shared.*
  from shared
  where has_domain or not has_any
)

select
  spread.as_of_date,
  spread.area_code,
  spread.index_domain as domain,
  spread.subdomain || '.' || spread.component as factor,
  spread.subdomain,
  spread.component,
  round(spread.weight, 12) as weight,
  coalesce(spread.factor_value, spread.factor_floor) as factor_value,
  coalesce(spread.n_subjects, 0) as n_subjects,
  spread.subdomain_zh || '·' || spread.component_zh || '：' || case
    when not spread.is_present then '辖区内没有登记对象'
    when reason.area_code is null
      then cast(spread.n_subjects as {{ sql_type('string') }}) || ' 个对象；没有描述它的数据，取中性值'
    when spread.component = 'exposure' and spread.exposure_basis <> 'objects'
      then '涉及 ' || cast(spread.people as {{ sql_type('string') }}) || ' 人；最多：' || reason.worst_zh
    else cast(spread.n_subjects as {{ sql_type('string') }}) || ' 个对象；最高：' || reason.worst_zh
  end as reason_zh,
  spread.subdomain_en || ', ' || lower(spread.component_en) || ': ' || case
    when not spread.is_present then 'nothing registered in this area'
    when reason.area_code is null
      then cast(spread.n_subjects as {{ sql_type('string') }}) || ' objects; no data describe it, the neutral value stands'
    when spread.component = 'exposure' and spread.exposure_basis <> 'objects'
      then cast(spread.people as {{ sql_type('string') }}) || ' people; most: ' || reason.worst_en
    else cast(spread.n_subjects as {{ sql_type('string') }}) || ' objects; highest: ' || reason.worst_en
  end as reason_en,
  spread.method_version,
  case when spread.component <> 'exposure' or spread.exposure_basis = 'objects'
    then spread.subdomain_zh || '·' || spread.component_zh || '：' || reason.change_zh end as change_zh,
  case when spread.component <> 'exposure' or spread.exposure_basis = 'objects'
    then spread.subdomain_en || ', ' || lower(spread.component_en) || ': ' || reason.change_en end as change_en
from spread
left join {{ ref('area_reason') }} as reason
  on
    spread.as_of_date = reason.as_of_date
    and spread.area_code = reason.area_code
    and spread.subdomain = reason.subdomain
    and spread.component = reason.component
