{#-
    What DuckDB and Spark say differently, under names that do not: only these go through `adapter.dispatch`, and an
    engine adds its own `<engine>__…` beside the ones here. What both say alike is a plain macro or plain SQL.
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

{#- A cast that gives null for what cannot be read. -#}
{%- macro read_as(value, logical_type) -%}
    try_cast({{ value }} as {{ sql_type(logical_type) }})
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

{#- The first `n` values of each group by ascending `order`, with their `place` from 1 on. Keeps `n` values a group
    where a ranking would sort every row. `n` may be a column; `order` must tell every two rows apart. -#}
{%- macro first_of_groups(relation, groups, value, order, n) -%}
    {{- adapter.dispatch('first_of_groups', 'cityrisk')(relation, groups, value, order, n) -}}
{%- endmacro -%}

{%- macro default__first_of_groups(relation, groups, value, order, n) -%}
    select
      {{ groups | join(', ') }},
      unnest(kept) as {{ value }},
      unnest(range(1, len(kept) + 1)) as place
    from (
      select
        {{ groups | join(', ') }},
        arg_min({{ value }}, ({{ order | join(', ') }}), cast({{ n }} as bigint)) as kept
      from {{ relation }}
      group by {{ groups | join(', ') }}
    ) as grouped
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
