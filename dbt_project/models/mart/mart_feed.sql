-- One row per feed: what its contract promises.
{{ config(alias='feed') }}
select
  feed_id,
  department_code,
  department_zh,
  name_zh,
  name_en,
  domain,
  subdomain,
  owner,
  steward,
  entities,
  version as contract_version,
  cadence_s,
  late_after_s,
  silent_after_s,
  retention_d
from {{ ref('feeds') }}
