-- One row per system that the city has declared: do its feeds arrive, how much does it watch, do its devices report, and
-- what is open in it. Objects and devices are those that its feeds register; alerts are those of its rules.
with feed as (
  select
    members.system_id,
    count(*) as feeds_expected,
    sum(case when health.freshness = 'fresh' then 1 else 0 end) as feeds_fresh
  from {{ ref('system_members') }} as members
  left join {{ ref('feed_health') }} as health on members.member_id = health.feed_id
  where members.kind = 'feed'
  group by members.system_id
),

watched as (
  select members.system_id, count(*) as objects
  from {{ ref('system_members') }} as members
  inner join {{ ref('risk_object') }} as registered
    on members.member_id = registered.feed_id and registered.valid_to is null
  where members.kind = 'feed'
  group by members.system_id
),

reporting as (
  select
    members.system_id,
    sum(case when device.status = 'online' then 1.0 else 0.0 end) / count(*) as devices_online_share
  from {{ ref('system_members') }} as members
  inner join {{ ref('mart_device') }} as device on members.member_id = device.feed_id and device.is_registered
  where members.kind = 'feed'
  group by members.system_id
),

-- What people report follows no rule: the first system of its kind of risk has it.
first_of_kind as (
  select domain, subdomain, min(system_id) as system_id
  from {{ ref('systems') }}
  group by domain, subdomain
),

open_alert as (
  select
    coalesce(members.system_id, first_of_kind.system_id) as system_id,
    count(*) as open_alerts,
    max(alert.severity_rank) as severity_rank
  from {{ ref('alert') }} as alert
  left join {{ ref('system_members') }} as members on members.kind = 'rule' and alert.rule_id = members.member_id
  left join first_of_kind on alert.domain = first_of_kind.domain and alert.subdomain = first_of_kind.subdomain
  where {{ is_open_alert('alert') }}
  group by coalesce(members.system_id, first_of_kind.system_id)
)

select
  systems.system_id,
  systems.domain,
  cast(coalesce(feed.feeds_expected, 0) as bigint) as feeds_expected,
  cast(coalesce(feed.feeds_fresh, 0) as bigint) as feeds_fresh,
  cast(coalesce(watched.objects, 0) as bigint) as objects,
  reporting.devices_online_share,
  cast(coalesce(open_alert.open_alerts, 0) as bigint) as open_alerts,
  ranks.colour as worst_colour,
  systems.subdomain,
  systems.name_zh,
  systems.name_en,
  systems.department_code
from {{ ref('systems') }} as systems
left join feed on systems.system_id = feed.system_id
left join watched on systems.system_id = watched.system_id
left join reporting on systems.system_id = reporting.system_id
left join open_alert on systems.system_id = open_alert.system_id
left join {{ ref('colour_ranks') }} as ranks on open_alert.severity_rank = ranks.severity_rank
