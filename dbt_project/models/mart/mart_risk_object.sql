-- One row per risk object that the method weighs, on its newest computed day: its colour by nature and with what is
-- done against it.
-- Inherent and residual colour are static classes of the object; they are not warning levels.
{{ config(alias='risk_object') }}
with newest as (
  select max(as_of_date) as as_of_date from {{ ref('risk_day') }}
)

select
  objects.object_id,
  objects.domain,
  objects.subdomain,
  objects.object_type,
  objects.object_subtype,
  objects.name_zh,
  objects.name_en,
  objects.area_code,
  objects.department_code,
  objects.enterprise_id,
  objects.lon,
  objects.lat,
  inherent.colour as inherent_colour,
  residual.colour as residual_colour,
  scored.residual_score as score,
  scored.inherent_score,
  scored.current_score,
  scored.hazard,
  scored.exposure,
  scored.vulnerability,
  scored.capacity,
  bounds.name_zh as hazard_zh,
  bounds.name_en as hazard_en,
  objects.people,
  objects.built_on,
  objects.status,
  objects.grade,
  scored.as_of_date,
  scored.method_version
from {{ ref('risk_object') }} as objects
cross join newest
inner join {{ ref('object_day') }} as scored
  on objects.object_id = scored.subject_id and newest.as_of_date = scored.as_of_date
inner join {{ ref('colour_cuts') }} as inherent
  on
    inherent.scale = 'object_risk'
    and scored.method_version = inherent.method_version
    and {{ in_cut('scored.inherent_score', 'inherent') }}
inner join {{ ref('colour_cuts') }} as residual
  on
    residual.scale = 'object_risk'
    and scored.method_version = residual.method_version
    and {{ in_cut('scored.residual_score', 'residual') }}
left join {{ ref('signal_bounds') }} as bounds
  on scored.hazard_signal = bounds.signal_code and scored.method_version = bounds.method_version
