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

{#- CTEs `registered` and `device`: the newest registration of every device, which says what object it stands at. -#}
{%- macro newest_devices() -%}
registered as (
  select device_id, object_id, received_at, batch_id from {{ ref('all_device') }}
),

device as (
  {{ latest_by_key('registered', ['device_id'], ['received_at', 'batch_id']) }}
)
{%- endmacro -%}

{#- Rows that name a device and no object, with the object that the device stands at. Needs `newest_devices`. -#}
{%- macro with_object_of_device(fields, relation) -%}
  select
    {%- for name in fields %}
    {{ 'device' if name == 'object_id' else relation }}.{{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
  from {{ relation }}
  left join device on {{ relation }}.device_id = device.device_id
{%- endmacro -%}

{#- CTEs of one feed of readings: its rows under the entity's names, the object of each, and one row a value. What a
    stream found out of range is marked by value, so its marks come along. Needs `newest_devices`. -#}
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
  left join device on {{ feed }}_read.device_id = device.device_id
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
