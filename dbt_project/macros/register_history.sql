{#-
    What registers said over time. A statement is one row of a register in one batch; a version is a run of statements
    that say the same about a thing.
-#}

{#- One row per thing and version: the facts of the entity, `valid_from` (when a register first said so), `valid_to` (when
    one said otherwise, or a complete snapshot no longer named the thing; null while it holds) and `is_since_unknown`
    (it stood in the first snapshot of its feed, so that how long it had been so is unknown). `received_at` and
    `batch_id` are those of the newest statement of the version, and so is what is `carried`: no change of it is one. -#}
{%- macro register_versions(statements, key, facts, carried) -%}
with snapshot as (
  select
    feed_id,
    received_at,
    min(case when closes then received_at end) over (
      partition by feed_id order by received_at rows between 1 following and unbounded following
    ) as next_closing_at,
    row_number() over (partition by feed_id order by received_at) = 1 as is_first
  from {{ ref('register_snapshot') }}
),

statement as (
  select
    *,
    {{ hash_number(facts) }} as said,
    lead(received_at) over (partition by {{ key }} order by received_at, batch_id) as next_said_at
  from {{ statements }}
),

followed as (
  select statement.*, snapshot.next_closing_at, snapshot.is_first
  from statement
  inner join snapshot on statement.feed_id = snapshot.feed_id and statement.received_at = snapshot.received_at
),

left_behind as (
  select
    *,
    case when next_said_at is null or next_said_at > next_closing_at then next_closing_at end as left_at
  from followed
),

compared as (
  select
    *,
    lag(said) over (partition by {{ key }} order by received_at, batch_id) as said_before,
    lag(left_at) over (partition by {{ key }} order by received_at, batch_id) as left_before_at
  from left_behind
),

started as (
  select
    *,
    case when said_before is null or said <> said_before or left_before_at is not null then 1 else 0 end as is_start
  from compared
),

numbered as (
  select
    *,
    sum(is_start) over (
      partition by {{ key }} order by received_at, batch_id rows unbounded preceding
    ) as version_no
  from started
),

spanned as (
  select
    *,
    min(received_at) over (partition by {{ key }}, version_no) as valid_from,
    max(case when is_first then 1 else 0 end) over (partition by {{ key }}, version_no) = 1 as is_since_unknown,
    row_number() over (partition by {{ key }}, version_no order by received_at desc, batch_id desc) as place
  from numbered
)

select
  {%- for name in facts + carried %}
  {{ name }},
  {%- endfor %}
  batch_id,
  received_at,
  valid_from,
  coalesce(left_at, next_said_at) as valid_to,
  is_since_unknown
from spanned
-- What was said otherwise in the same instant held for no time.
where place = 1 and (coalesce(left_at, next_said_at) is null or coalesce(left_at, next_said_at) > valid_from)
{%- endmacro -%}

{#- Whether a version of a register row, `version`, holds at the end of a computed day, `day`: the newest one of today;
    before the first snapshot the first one stands in, if the home began with it. Needs `build` for `opened_at`. -#}
{%- macro holds_on(version, day, build) -%}
    (
      {{ day }}.is_today
      or {{ version }}.valid_from <= {{ day }}.ends_at
      or ({{ version }}.is_since_unknown and {{ version }}.valid_from <= {{ build }}.opened_at)
    )
    and ({{ version }}.valid_to is null or (not {{ day }}.is_today and {{ version }}.valid_to > {{ day }}.ends_at))
{%- endmacro -%}
