{#-
    Everything that engines say differently, under names that do not. Models use these and stay portable; a new
    engine adds its own `<engine>__…` beside the ones here.
-#}

{#- A contract's logical type as the engine's own. -#}
{%- macro sql_type(logical_type) -%}
    {{- return(adapter.dispatch('sql_type', 'cityrisk')(logical_type)) -}}
{%- endmacro -%}

{%- macro default__sql_type(logical_type) -%}
    {{- return({
        'string': 'varchar', 'number': 'double', 'integer': 'bigint', 'boolean': 'boolean', 'date': 'date',
        'timestamp': 'timestamptz',
    }[logical_type]) -}}
{%- endmacro -%}

{#- One Parquet file as a relation. -#}
{%- macro parquet_file(path) -%}
    {{- adapter.dispatch('parquet_file', 'cityrisk')(path) -}}
{%- endmacro -%}

{%- macro default__parquet_file(path) -%}
    read_parquet('{{ path | replace("'", "''") }}')
{%- endmacro -%}

{#- Landed files as one relation with all columns that any of them has, and the day that their folder is named for. -#}
{%- macro read_landed_files(paths, as_text={}) -%}
    {{- adapter.dispatch('read_landed_files', 'cityrisk')(paths, as_text) -}}
{%- endmacro -%}

{%- macro default__read_landed_files(paths, as_text) -%}
    {%- set plain = paths | reject('in', as_text) | list -%}
    {#- Files that disagree on a type have no common relation: each is read alone. #}
    {%- for path in paths if path in as_text %}
    select * exclude (filename) replace (
        {%- for name in as_text[path] %}cast({{ name }} as varchar) as {{ name }}{{ ", " if not loop.last }}{% endfor -%}
    ), cast(string_split(filename, '/')[-2] as date) as landed_on
    from read_parquet('{{ path | replace("'", "''") }}', filename = true)
    {{ "union all by name" if plain or not loop.last }}
    {%- endfor %}
    {%- if plain %}
    select * exclude (filename), cast(string_split(filename, '/')[-2] as date) as landed_on
    from read_parquet([
        {%- for path in plain %}
            '{{ path | replace("'", "''") }}'{{ "," if not loop.last }}
        {%- endfor %}
    ], union_by_name = true, filename = true)
    {%- endif %}
{%- endmacro -%}

{#- A value of text as a type, null where it cannot be. -#}
{%- macro read_leniently(name, logical_type) -%}
    {{- adapter.dispatch('read_leniently', 'cityrisk')(name, logical_type) -}}
{%- endmacro -%}

{%- macro default__read_leniently(name, logical_type) -%}
    try_cast({{ name }} as {{ sql_type(logical_type) }})
{%- endmacro -%}

{#- The newest row of each key, by receipt and then by batch. For tables of some hundred thousand rows. -#}
{%- macro latest_by_key(relation, key, newest=['_received_at', '_batch_id', '_row']) -%}
    {{- adapter.dispatch('latest_by_key', 'cityrisk')(relation, key, newest) -}}
{%- endmacro -%}

{%- macro default__latest_by_key(relation, key, newest) -%}
    select * from {{ relation }}
    qualify row_number() over (
        partition by {{ key | join(', ') }}
        order by {% for name in newest %}{{ name }} desc{{ ", " if not loop.last }}{% endfor %}
    ) = 1
{%- endmacro -%}

{#- The same for tables of many millions of rows where a key rarely stands twice.
    Ranking every row costs a sort of all of them; landing drops exact repeats, so a key that stands twice is a
    correction and rare. A one-word hash finds the keys that may stand twice, and only those are ranked. -#}
{%- macro latest_by_rare_key(relation, key, newest=['_received_at', '_batch_id', '_row']) -%}
    {{- adapter.dispatch('latest_by_rare_key', 'cityrisk')(relation, key, newest) -}}
{%- endmacro -%}

{%- macro default__latest_by_rare_key(relation, key, newest) -%}
    select * from {{ relation }}
    where {{ hash_number(key) }} not in (
        select {{ hash_number(key) }} from {{ relation }} group by 1 having count(*) > 1
    )
    union all
    (
        {{ latest_by_key('(select * from ' ~ relation ~ ' where ' ~ hash_number(key) ~ ' in (select '
            ~ hash_number(key) ~ ' from ' ~ relation ~ ' group by 1 having count(*) > 1)) as repeated', key, newest) }}
    )
{%- endmacro -%}

{#- A 64-bit number for a list of columns, for comparing only: engines differ in it. -#}
{%- macro hash_number(columns) -%}
    {{- adapter.dispatch('hash_number', 'cityrisk')(columns) -}}
{%- endmacro -%}

{%- macro default__hash_number(columns) -%}
    hash({{ columns | join(', ') }})
{%- endmacro -%}

{#- Metric columns to rows: one row per given row and metric that has a value, as columns metric and value. -#}
{%- macro unpivot_metrics(relation, metrics) -%}
    {{- adapter.dispatch('unpivot_metrics', 'cityrisk')(relation, metrics) -}}
{%- endmacro -%}

{%- macro default__unpivot_metrics(relation, metrics) -%}
    select * from (unpivot {{ relation }} on {{ metrics | join(', ') }} into name metric value value)
{%- endmacro -%}

{#- JSON text of the given columns under their own names; null values are kept. '{}' for none. -#}
{%- macro json_of(columns) -%}
    {{- adapter.dispatch('json_of', 'cityrisk')(columns) -}}
{%- endmacro -%}

{%- macro default__json_of(columns) -%}
    {%- if not columns -%}'{}'{%- else -%}
    cast(json_object({% for name in columns %}'{{ name }}', {{ name }}{{ ", " if not loop.last }}{% endfor %}) as varchar)
    {%- endif -%}
{%- endmacro -%}

{#- One field of JSON text, as text; null when it is not there. -#}
{%- macro json_text(column, field) -%}
    {{- adapter.dispatch('json_text', 'cityrisk')(column, field) -}}
{%- endmacro -%}

{%- macro default__json_text(column, field) -%}
    json_extract_string({{ column }}, '$.{{ field }}')
{%- endmacro -%}

{#- The Beijing civil date of an instant. China has had one zone and no summer time since 1992. -#}
{%- macro beijing_date(instant) -%}
    {{- adapter.dispatch('beijing_date', 'cityrisk')(instant) -}}
{%- endmacro -%}

{%- macro default__beijing_date(instant) -%}
    cast(make_timestamp(epoch_us({{ instant }}) + 28800000000) as date)
{%- endmacro -%}

{#- The start of the hour of an instant. -#}
{%- macro hour_of(instant) -%}
    {{- adapter.dispatch('hour_of', 'cityrisk')(instant) -}}
{%- endmacro -%}

{%- macro default__hour_of(instant) -%}
    time_bucket(interval 1 hour, {{ instant }})
{%- endmacro -%}

{#- Whole seconds from one instant to a later one. -#}
{%- macro seconds_between(earlier, later) -%}
    {{- adapter.dispatch('seconds_between', 'cityrisk')(earlier, later) -}}
{%- endmacro -%}

{%- macro default__seconds_between(earlier, later) -%}
    date_diff('second', {{ earlier }}, {{ later }})
{%- endmacro -%}

{#- Whether a comma-separated list of words holds one word. -#}
{%- macro has_word(list, word) -%}
    {{- adapter.dispatch('has_word', 'cityrisk')(list, word) -}}
{%- endmacro -%}

{%- macro default__has_word(list, word) -%}
    (coalesce({{ list }}, '') <> '' and contains(',' || {{ list }} || ',', ',{{ word }},'))
{%- endmacro -%}

{#- Quality of one value of a row: the row's own, or `out_of_range` where the row's marks name the value's column. -#}
{%- macro quality_of_value(quality, flags, metric) -%}
    {{- adapter.dispatch('quality_of_value', 'cityrisk')(quality, flags, metric) -}}
{%- endmacro -%}

{%- macro default__quality_of_value(quality, flags, metric) -%}
    case
      when {{ quality }} = 'normal' and {{ flags }} <> ''
        and contains(',' || {{ flags }} || ',', ',out_of_range:' || {{ metric }} || ',') then 'out_of_range'
      else {{ quality }}
    end
{%- endmacro -%}

{#- A short text that is the same for the same text, on every engine. -#}
{%- macro hash_text(expression) -%}
    substr(md5({{ expression }}), 1, 16)
{%- endmacro -%}

{#- An enterprise's name without what people write differently: spaces, brackets of both widths, case. -#}
{%- macro bare_name(expression) -%}
    {{- adapter.dispatch('bare_name', 'cityrisk')(expression) -}}
{%- endmacro -%}

{%- macro default__bare_name(expression) -%}
    regexp_replace(lower({{ expression }}), '[\s　()()·.．-]', '', 'g')
{%- endmacro -%}

{#- The distinct values of a column in a group, sorted, comma-separated. -#}
{%- macro list_text(expression) -%}
    {{- adapter.dispatch('list_text', 'cityrisk')(expression) -}}
{%- endmacro -%}

{%- macro default__list_text(expression) -%}
    string_agg(distinct {{ expression }}, ',' order by {{ expression }})
{%- endmacro -%}
