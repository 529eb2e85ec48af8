-- One row per day, area, subdomain and component of this build's days: the worst objects and their worst signal, in
-- words of both languages; and the object that changed most since the day before.
with component_value as (
  {%- for component in ['hazard', 'exposure', 'vulnerability', 'lack_of_capacity'] %}
  {{ "union all" if not loop.first }}
  select
    object_day.as_of_date,
    object_day.method_version,
    object_day.subject_id,
    object_day.subdomain,
    '{{ component }}' as component,
    {{ '1 - object_day.capacity' if component == 'lack_of_capacity' else 'object_day.' ~ component }} as value,
    object_day.{{ 'capacity' if component == 'lack_of_capacity' else component }}_signal as signal_code
  from {{ ref('object_day') }} as object_day
  inner join {{ ref('risk_day') }} as risk_day on object_day.as_of_date = risk_day.as_of_date
  {%- endfor %}
),

placed as (
  select
    component_value.*,
    subject_area.area_code,
    -round(component_value.value, 9) as worst_first,
    -coalesce(subject.people, 0) as most_people_first,
    method.reasons_named
  from component_value
  inner join {{ ref('method') }} as method on component_value.method_version = method.method_version
  inner join {{ ref('subject_area') }} as subject_area
    on component_value.subject_id = subject_area.subject_id and component_value.as_of_date = subject_area.as_of_date
  inner join {{ ref('subject_day') }} as subject
    on component_value.subject_id = subject.subject_id and component_value.as_of_date = subject.as_of_date
),

ranked as (
  {{ first_of_groups(
    'placed', ['as_of_date', 'method_version', 'area_code', 'subdomain', 'component'], 'subject_id',
    ['worst_first', 'most_people_first', 'subject_id'], 'reasons_named'
  ) }}
),

named as (
  select
    ranked.as_of_date,
    ranked.area_code,
    ranked.subdomain,
    ranked.component,
    ranked.place,
    subject.name_zh || '（' || bounds.name_zh || ' ' || {{ signal_text('signal.raw_value', 'classes', 'bounds', 'units', 'zh') }} || '）'
      as text_zh,
    subject.name_en || ' (' || bounds.name_en || ' ' || {{ signal_text('signal.raw_value', 'classes', 'bounds', 'units', 'en') }} || ')'
      as text_en
  from ranked
  inner join {{ ref('method') }} as method on ranked.method_version = method.method_version
  inner join component_value
    on
      ranked.as_of_date = component_value.as_of_date
      and ranked.subject_id = component_value.subject_id
      and ranked.component = component_value.component
  inner join {{ ref('subject_day') }} as subject
    on ranked.subject_id = subject.subject_id and ranked.as_of_date = subject.as_of_date
  inner join {{ ref('signal') }} as signal
    on
      ranked.subject_id = signal.subject_id
      and ranked.as_of_date = signal.as_of_date
      and component_value.signal_code = signal.signal_code
  inner join {{ ref('signal_bounds') }} as bounds
    on signal.signal_code = bounds.signal_code and method.method_version = bounds.method_version
  left join {{ ref('signal_classes') }} as classes
    on
      signal.signal_code = classes.signal_code
      and signal.raw_class = classes.class
      and method.method_version = classes.method_version
  left join {{ ref('wordings') }} as units on units.kind = 'unit' and bounds.unit = units.text
),

-- The object whose change moves the area's power mean most, and what changed in it.
changed as (
  select
    object_change.as_of_date,
    subject_area.area_code,
    subject_area.subdomain,
    case when object_change.component = 'capacity' then 'lack_of_capacity' else object_change.component end as component,
    subject.name_zh || '（' || object_change.text_zh || '）' as text_zh,
    subject.name_en || ' (' || object_change.text_en || ')' as text_en,
    row_number() over (
      partition by
        object_change.as_of_date, subject_area.area_code, subject_area.subdomain, object_change.component
      order by
        round(abs(power(object_change.value_today, method.mean_power) - power(object_change.value_before, method.mean_power)), 9)
        desc,
        object_change.subject_id
    ) as place
  from {{ ref('object_change') }} as object_change
  inner join {{ ref('subject_area') }} as subject_area
    on object_change.subject_id = subject_area.subject_id and object_change.as_of_date = subject_area.as_of_date
  inner join {{ ref('subject_day') }} as subject
    on object_change.subject_id = subject.subject_id and object_change.as_of_date = subject.as_of_date
  inner join {{ ref('method') }} as method on subject.method_version = method.method_version
),

worst as (
  select
    as_of_date,
    area_code,
    subdomain,
    component,
    {{ joined_text('text_zh', '；', 'place') }} as worst_zh,
    {{ joined_text('text_en', '; ', 'place') }} as worst_en
  from named
  group by as_of_date, area_code, subdomain, component
)

select
  worst.as_of_date,
  worst.area_code,
  worst.subdomain,
  worst.component,
  worst.worst_zh,
  worst.worst_en,
  changed.text_zh as change_zh,
  changed.text_en as change_en
from worst
left join changed
  on
    changed.place = 1
    and worst.as_of_date = changed.as_of_date
    and worst.area_code = changed.area_code
    and worst.subdomain = changed.subdomain
    and worst.component = changed.component
