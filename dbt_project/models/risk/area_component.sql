-- One row per day, area, subdomain and component of this build's days: the value from 0 to 1 and what it stands on.
-- Objects come together by a power mean that lifts the worst; people are counted on fixed bounds.
-- Rounded far below anything that matters, so that the order in which rows are added never shows.
-- Where the method says so, a subdomain counts people or vulnerability of all objects of the area.
with member as (
  select
    object_day.as_of_date,
    risk_day.method_version,
    subject_area.area_code,
    object_day.subdomain,
    object_day.hazard,
    object_day.exposure,
    object_day.vulnerability,
    object_day.capacity,
    coalesce(subject.people, 0) as people
  from {{ ref('object_day') }} as object_day
  inner join {{ ref('risk_day') }} as risk_day on object_day.as_of_date = risk_day.as_of_date
  inner join {{ ref('subject_area') }} as subject_area
    on object_day.subject_id = subject_area.subject_id and object_day.as_of_date = subject_area.as_of_date
  inner join {{ ref('subject_day') }} as subject
    on object_day.subject_id = subject.subject_id and object_day.as_of_date = subject.as_of_date
),

own as (
  select
    member.as_of_date,
    member.method_version,
    member.area_code,
    member.subdomain,
    count(*) as n_subjects,
    sum(member.people) as people,
    {{ power_mean('member.hazard', 'method.mean_power') }} as hazard,
    {{ power_mean('member.exposure', 'method.mean_power') }} as exposure,
    {{ power_mean('member.vulnerability', 'method.mean_power') }} as vulnerability,
    {{ power_mean('(1 - member.capacity)', 'method.mean_power') }} as lack_of_capacity
  from member
  inner join {{ ref('method') }} as method on member.method_version = method.method_version
  group by member.as_of_date, member.method_version, member.area_code, member.subdomain, method.mean_power
),

everyone as (
  select
    member.as_of_date,
    member.area_code,
    sum(member.people) as people,
    {{ power_mean('member.vulnerability', 'method.mean_power') }} as vulnerability
  from member
  inner join {{ ref('subdomain_basis') }} as basis
    on member.subdomain = basis.subdomain and member.method_version = basis.method_version
  inner join {{ ref('method') }} as method on member.method_version = method.method_version
  where basis.vulnerability_basis = 'own'
  group by member.as_of_date, member.area_code, method.mean_power
),

based as (
  select
    own.as_of_date,
    own.area_code,
    own.subdomain,
    own.n_subjects,
    case when basis.exposure_basis = 'all_people' then coalesce(everyone.people, 0) else own.people end as people,
    own.hazard,
    case
      when basis.exposure_basis = 'objects' then own.exposure
      when basis.exposure_basis = 'all_people'
        then {{ bounded('coalesce(everyone.people, 0)', 'bounds.people_low', 'bounds.people_high', "'log'") }}
      else {{ bounded('own.people', 'bounds.people_low', 'bounds.people_high', "'log'") }}
    end as exposure,
    case
      when basis.vulnerability_basis = 'all' then coalesce(everyone.vulnerability, own.vulnerability)
      else own.vulnerability
    end as vulnerability,
    own.lack_of_capacity,
    basis.exposure_basis,
    method.method_version,
    method.factor_floor,
    method.factor_cap
  from own
  inner join {{ ref('method') }} as method on own.method_version = method.method_version
  inner join {{ ref('subdomain_basis') }} as basis
    on own.subdomain = basis.subdomain and method.method_version = basis.method_version
  inner join {{ ref('exposure_bounds') }} as bounds
    on own.subdomain = bounds.subdomain and method.method_version = bounds.method_version
  left join everyone on own.as_of_date = everyone.as_of_date and own.area_code = everyone.area_code
)
{% for component in ['hazard', 'exposure', 'vulnerability', 'lack_of_capacity'] %}
{{ "union all\n" if not loop.first }}select
  as_of_date,
  area_code,
  subdomain,
  '{{ component }}' as component,
  {{ clipped('round(' ~ component ~ ', 9)', 'factor_floor', 'factor_cap') }} as factor_value,
  n_subjects,
  people,
  exposure_basis,
  method_version
from based
{%- endfor %}
