-- One row per object_id, cas_no. Hazardous substances of the units (危险物质).
-- Derived from the contracts whose entity is `substance` by `cityrisk derive`; not edited by hand.
with
emergency__major_hazard_newest as (
  select
    unit_id as parent_id,
    max_by(_batch_id, _received_at) as batch_id
  from {{ ref('stg_emergency__major_hazard') }}
  group by unit_id
),

emergency__major_hazard as (
  select
    'emergency:' || unit_id as object_id,
    cas_no,
    substance_name_zh,
    hazard_class,
    design_max_t,
    {{ json_of(['is_online', 'promise_on']) }} as attributes,
    'emergency.major_hazard' as feed_id,
    'emergency' as department_code,
    'work_safety' as domain,
    'major_hazard' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_emergency__major_hazard') }}
  where (unit_id, _batch_id) in (
    select parent_id, batch_id from emergency__major_hazard_newest
  )
)

select * from emergency__major_hazard
