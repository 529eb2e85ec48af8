-- One row per thing that can come to harm or do harm: units, sites, elevators, pipes, ponds, points.
-- An object that a later snapshot no longer names stays, with the last time that it was named.
select
  objects.object_id,
  objects.feed_id,
  objects.department_code,
  objects.domain,
  objects.subdomain,
  objects.object_type,
  objects.object_subtype,
  coalesce(objects.name_zh, split_part(objects.object_id, ':', 2)) as name_zh,
  objects.name_en,
  objects.area_code,
  substr(objects.area_code, 1, 6) as county_code,
  objects.lon,
  objects.lat,
  objects.geometry_wkt,
  matches.enterprise_id,
  objects.credit_code,
  objects.enterprise_name,
  objects.address,
  objects.built_on,
  objects.status,
  objects.grade,
  objects.people,
  objects.updated_at,
  objects.attributes,
  objects.flags,
  objects.batch_id,
  objects.received_at
from {{ ref('latest_object') }} as objects
left join {{ ref('int_enterprise_match') }} as matches on objects.object_id = matches.object_id
