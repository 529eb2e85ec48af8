-- One row per inspection_id. Inspections of all feeds (检查记录).
-- Derived from the contracts whose entity is `inspection` by `cityrisk derive`; not edited by hand.
with
fire__inspection as (
  select
    'fire.inspection:' || inspection_id as inspection_id,
    'fire:' || unit_id as object_id,
    inspected_at,
    item,
    result,
    findings,
    rectified_at,
    due_on,
    inspector_name_hash as person_key,
    recorded_at as transmitted_at,
    {{ has_word('_flags', 'late') }} as is_late,
    {{ json_of([]) }} as attributes,
    'fire.inspection' as feed_id,
    'fire' as department_code,
    'public_safety' as domain,
    'fire' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_fire__inspection') }}
)

select * from fire__inspection
