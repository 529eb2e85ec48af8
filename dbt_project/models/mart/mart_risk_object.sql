-- One row per risk object on the newest computed day: its colour by nature and with what is done against it, or the
-- reason why it has none. An object that lies in no area of the city says so too.
-- Where a floor of the method holds its colours up (`score_floors`), it says by which signal.
-- Inherent and residual colour are static classes of the object; they are not warning levels.
{{ config(alias='risk_object') }}
with newest as (
  select max(as_of_date) as as_of_date, max_by(method_version, as_of_date) as method_version
  from {{ ref('risk_day') }}
),

weighed as (
  select weights.parent as domain, weights.factor as subdomain
  from {{ ref('risk_factor_weights') }} as weights
  inner join newest on weights.method_version = newest.method_version
  where weights.level = 'subdomain'
),

reasoned as (
  select
    objects.object_id,
    case
      when scored.subject_id is not null then null
      when objects.valid_to is not null then 'left_register'
      when weighed.subdomain is null then 'kind_not_weighed'
      else 'not_computed'
    end as unscored_reason,
    case
      when objects.area_code is null and objects.lon is null then 'no_place'
      when objects.area_code is null then 'outside_known_areas'
      when place.area_code is null then 'outside_city'
    end as area_reason
  from {{ ref('risk_object') }} as objects
  cross join newest
  left join {{ ref('object_day') }} as scored
    on objects.object_id = scored.subject_id and newest.as_of_date = scored.as_of_date
  left join weighed on objects.domain = weighed.domain and objects.subdomain = weighed.subdomain
  cross join {{ this_build() }} as build
  left join {{ ref('areas') }} as place
    on substr(objects.area_code, 1, 6) = place.area_code and build.city_code = place.city_code
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
  newest.as_of_date,
  newest.method_version,
  reasoned.unscored_reason,
  unscored.text_zh as unscored_reason_zh,
  unscored.text_en as unscored_reason_en,
  reasoned.area_reason,
  placed.text_zh as area_reason_zh,
  placed.text_en as area_reason_en,
  coalesce(floors.name_zh, floor_bounds.name_zh || ' ' || {{ signal_text('floored.raw_value', 'floors', 'floor_bounds', 'units', 'zh') }})
    as floor_reason_zh,
  coalesce(floors.name_en, floor_bounds.name_en || ' ' || {{ signal_text('floored.raw_value', 'floors', 'floor_bounds', 'units', 'en') }})
    as floor_reason_en,
  alerted.raw_class as alert_colour,
  changed.text_zh as change_zh,
  changed.text_en as change_en
from {{ ref('risk_object') }} as objects
cross join newest
inner join reasoned on objects.object_id = reasoned.object_id
left join {{ ref('object_reasons') }} as unscored on reasoned.unscored_reason = unscored.reason
left join {{ ref('object_reasons') }} as placed on reasoned.area_reason = placed.reason
left join {{ ref('object_day') }} as scored
  on objects.object_id = scored.subject_id and newest.as_of_date = scored.as_of_date
left join {{ ref('colour_cuts') }} as inherent
  on
    inherent.scale = 'object_risk'
    and scored.method_version = inherent.method_version
    and {{ in_cut('scored.inherent_score', 'inherent') }}
left join {{ ref('colour_cuts') }} as residual
  on
    residual.scale = 'object_risk'
    and scored.method_version = residual.method_version
    and {{ in_cut('scored.residual_score', 'residual') }}
left join {{ ref('signal_bounds') }} as bounds
  on scored.hazard_signal = bounds.signal_code and scored.method_version = bounds.method_version
left join {{ ref('signal') }} as floored
  on
    scored.subject_id = floored.subject_id
    and scored.as_of_date = floored.as_of_date
    and scored.floor_signal = floored.signal_code
left join {{ ref('signal_bounds') }} as floor_bounds
  on floored.signal_code = floor_bounds.signal_code and floored.method_version = floor_bounds.method_version
left join {{ ref('wordings') }} as units on units.kind = 'unit' and floor_bounds.unit = units.text
left join {{ ref('score_floors') }} as floors
  on
    scored.floor_signal = floors.signal_code
    and scored.method_version = floors.method_version
    and scored.floor_class = floors.class
left join {{ ref('signal_bounds') }} as alert_bounds
  on
    alert_bounds.kind = 'alert'
    and objects.object_type = alert_bounds.object_type
    and newest.method_version = alert_bounds.method_version
left join {{ ref('signal') }} as alerted
  on
    objects.object_id = alerted.subject_id
    and newest.as_of_date = alerted.as_of_date
    and alert_bounds.signal_code = alerted.signal_code
left join (
  select
    as_of_date,
    subject_id,
    max_by(text_zh, (moved, component)) as text_zh,
    max_by(text_en, (moved, component)) as text_en
  from {{ ref('object_change') }}
  group by as_of_date, subject_id
) as changed on objects.object_id = changed.subject_id and newest.as_of_date = changed.as_of_date
