-- One row per computed day, subject and component that changed since the day before, with the signal that changed most
-- and what it said on both days. `moved` is how far that moves the logarithm of the subject's score.
-- Of hazards the worst signal counts, so that only the worst of either day can be the cause. What is a day older than
-- yesterday and nothing else has not changed: less than a thousandth is no row.
with moved as (
  {%- for component in ['hazard', 'exposure', 'vulnerability', 'capacity'] %}
  {{ "union all" if not loop.first }}
  select
    today.as_of_date,
    today.subject_id,
    today.method_version,
    '{{ component }}' as component,
    today.{{ component }}_signal as signal_today,
    before.{{ component }}_signal as signal_before,
    {%- set value = '(1 - {}.capacity)' if component == 'capacity' else '{}.' ~ component %}
    {{ value.format('before') }} as value_before,
    {{ value.format('today') }} as value_today,
    method.{{ 'lack_of_capacity' if component == 'capacity' else component }}_weight * abs(
      ln({{ clipped(value.format('today'), 'method.factor_floor', 'method.factor_cap') }})
      - ln({{ clipped(value.format('before'), 'method.factor_floor', 'method.factor_cap') }})
    ) as moved
  from {{ ref('object_day') }} as today
  inner join {{ ref('risk_day') }} as risk_day on today.as_of_date = risk_day.as_of_date
  inner join {{ ref('object_day') }} as before
    on today.subject_id = before.subject_id and today.as_of_date = {{ days_later('before.as_of_date', 1) }}
  inner join {{ ref('method') }} as method on today.method_version = method.method_version
  where abs(today.{{ component }} - before.{{ component }}) > 1e-3
  {%- endfor %}
),

said as (
  select
    moved.as_of_date,
    moved.subject_id,
    moved.component,
    signal.signal_code,
    {%- for side, day in [('today', 'moved.as_of_date'), ('before', days_later('moved.as_of_date', -1))] %}
    max(case when signal.as_of_date = {{ day }} then signal.weight * signal.intensity end) as share_{{ side }},
    max(case when signal.as_of_date = {{ day }} then signal.raw_value end) as raw_value_{{ side }},
    max(case when signal.as_of_date = {{ day }} then signal.raw_class end) as raw_class_{{ side }}{{ "," if not loop.last }}
    {%- endfor %}
  from moved
  inner join {{ ref('signal') }} as signal
    on
      moved.subject_id = signal.subject_id
      and moved.component = signal.component
      and signal.as_of_date between {{ days_later('moved.as_of_date', -1) }} and moved.as_of_date
      and (moved.component <> 'hazard' or signal.signal_code in (moved.signal_today, moved.signal_before))
  group by moved.as_of_date, moved.subject_id, moved.component, signal.signal_code
),

ranked as (
  select
    said.*,
    row_number() over (
      partition by as_of_date, subject_id, component
      order by round(abs(coalesce(share_today, 0) - coalesce(share_before, 0)), 9) desc, signal_code
    ) as place
  from said
)

select
  moved.as_of_date,
  moved.subject_id,
  moved.component,
  moved.value_before,
  moved.value_today,
  moved.moved,
  ranked.signal_code,
  bounds.name_zh || ' 昨 ' || {{ signal_text('ranked.raw_value_before', 'class_before', 'bounds', 'units', 'zh') }}
    || ' → 今 ' || {{ signal_text('ranked.raw_value_today', 'class_today', 'bounds', 'units', 'zh') }} as text_zh,
  bounds.name_en || ' yesterday ' || {{ signal_text('ranked.raw_value_before', 'class_before', 'bounds', 'units', 'en') }}
    || ' → today ' || {{ signal_text('ranked.raw_value_today', 'class_today', 'bounds', 'units', 'en') }} as text_en
from moved
inner join ranked
  on
    moved.as_of_date = ranked.as_of_date
    and moved.subject_id = ranked.subject_id
    and moved.component = ranked.component
    and ranked.place = 1
inner join {{ ref('signal_bounds') }} as bounds
  on ranked.signal_code = bounds.signal_code and moved.method_version = bounds.method_version
{%- for side in ['before', 'today'] %}
left join {{ ref('signal_classes') }} as class_{{ side }}
  on
    ranked.signal_code = class_{{ side }}.signal_code
    and ranked.raw_class_{{ side }} = class_{{ side }}.class
    and moved.method_version = class_{{ side }}.method_version
{%- endfor %}
left join {{ ref('wordings') }} as units on units.kind = 'unit' and bounds.unit = units.text
