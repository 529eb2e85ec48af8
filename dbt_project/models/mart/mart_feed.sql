-- One row per feed: what its contract promises.
{{ config(alias='feed') }}
select
  feeds.feed_id,
  feeds.department_code,
  feeds.department_zh,
  coalesce(departments.name_en, feeds.department_code) as department_en,
  feeds.name_zh,
  feeds.name_en,
  feeds.domain,
  feeds.subdomain,
  feeds.owner,
  feeds.steward,
  feeds.cadence_s,
  feeds.late_after_s,
  feeds.silent_after_s,
  feeds.retention_d,
  feeds.version,
  feeds.entities,
  feeds.raw_feed,
  feeds.may_be_quiet
from {{ ref('feeds') }} as feeds
left join {{ ref('departments') }} as departments on feeds.department_code = departments.department_code
