{#-
    What the derived models of the conformed layer are made of. A model lists per feed only what the feed gives; the
    columns, their order and their types are the entity's. `fields` maps column names to logical types, `given` column
    names to expressions.
-#}

{#- The entity's columns from one feed: what it gives, and a typed null for the rest. -#}
{%- macro entity_columns(fields, given) -%}
    {%- for name, logical_type in fields.items() -%}
    {%- set expression = given[name] if name in given else 'cast(null as ' ~ sql_type(logical_type) ~ ')' -%}
    {{ '\n    ' ~ expression ~ ('' if expression == name else ' as ' ~ name) ~ (',' if not loop.last else '') }}
    {%- endfor -%}
{%- endmacro -%}

{#- CTE `device`: the objects that every device stood at, each from one time on to another. The first is taken to have
    been so before, the last goes on (nulls). -#}
{%- macro device_places() -%}
device as ({{ places_of_devices() }})
{%- endmacro -%}

{#- The query of `device_places`. -#}
{%- macro places_of_devices() -%}
  select
    device_id,
    object_id,
    case when place > 1 then received_at end as from_at,
    lead(received_at) over (partition by device_id order by place) as to_at
  from (
    select *, row_number() over (partition by device_id order by received_at, batch_id) as place
    from (
      select
        device_id,
        object_id,
        received_at,
        batch_id,
        lag(object_id) over (partition by device_id order by received_at, batch_id) as object_before,
        row_number() over (partition by device_id order by received_at, batch_id) as statement_no
      from {{ ref('all_device') }}
    ) as stated
    where statement_no = 1 or object_id is distinct from object_before
  ) as moved
{%- endmacro -%}

{#- The condition that a row of `device_places` is the one in which a fact happened at `moment`. Plain comparisons: with
    an `or` in it the database compares every fact with every device, and 600,000 readings take a minute. -#}
{%- macro stood_at(moment) -%}
    {%- set earliest, latest = "cast('0001-01-01' as " ~ sql_type('timestamp') ~ ")", "cast('9999-12-31' as " ~ sql_type('timestamp') ~ ")" -%}
    coalesce({{ moment }}, {{ earliest }}) >= coalesce(device.from_at, {{ earliest }})
    and coalesce({{ moment }}, {{ earliest }}) < coalesce(device.to_at, {{ latest }})
{%- endmacro -%}

{#- Events that name a device and no object, with the object that the device stood at. Needs `device_places`. -#}
{%- macro with_object_of_device(fields, relation) -%}
  select
    {%- for name in fields %}
    {{ 'device' if name == 'object_id' else relation }}.{{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
  from {{ relation }}
  left join device
    on {{ relation }}.device_id = device.device_id and {{ stood_at(relation ~ '.occurred_at') }}
{%- endmacro -%}

{#- CTEs of one feed of readings: its rows under the entity's names, the object of each, and one row a value. What a
    stream found out of range is marked by value, so its marks come along. Needs `device_places`. -#}
{%- macro reading_ctes(feed, staging, fields, given, metrics, is_stream) -%}
{%- set of_row = dict(fields) -%}
{%- for name in ['object_id', 'metric', 'value'] -%}{%- do of_row.pop(name) -%}{%- endfor -%}
{{ feed }}_read as (
  select
    {{- entity_columns(of_row, given) }},
    {%- for metric in metrics %}
    cast({{ metric }} as {{ sql_type('number') }}) as {{ metric }}{{ ',' if is_stream or not loop.last }}
    {%- endfor %}
    {%- if is_stream %}
    _flags
    {%- endif %}
  from {{ staging }}
),

{{ feed }}_wide as (
  select {{ feed }}_read.*, device.object_id
  from {{ feed }}_read
  left join device
    on {{ feed }}_read.device_id = device.device_id and {{ stood_at(feed ~ '_read.observed_at') }}
),

{{ feed }}_long as (
  {{ unpivot_metrics(feed ~ '_wide', metrics) }}
),

{{ feed }} as (
  select
    {%- for name in fields %}
    {%- set expression = quality_of_value(name, '_flags', 'metric') if is_stream and name == 'quality_flag' else name %}
    {{ expression ~ ('' if expression == name else ' as ' ~ name) ~ (',' if not loop.last else '') }}
    {%- endfor %}
  from {{ feed }}_long
)
{%- endmacro -%}

{#- Quality of one value of a row: the row's own, or `out_of_range` where the row's marks name the value's column. -#}
{%- macro quality_of_value(quality, flags, metric) -%}
    case
      when {{ quality }} = 'normal' and {{ flags }} <> ''
        and contains(',' || {{ flags }} || ',', ',out_of_range:' || {{ metric }} || ',') then 'out_of_range'
      else {{ quality }}
    end
{%- endmacro -%}
