{#- Stand-ins for dbt_project/macros: the real ones dispatch by engine and ask the database, which a linter cannot.
    Each gives SQL of the right kind (relation, expression, type). A macro that has none here fails `make check` by
    name: add a line. -#}

{#- relations -#}
{%- macro landed(feed_id, columns, is_register) -%}select * from {{ feed_id | replace('.', '__') }}{%- endmacro -%}
{%- macro latest_by_key(relation, key, newest) -%}select * from {{ relation }}{%- endmacro -%}
{%- macro latest_by_rare_key(relation, key, newest) -%}select * from {{ relation }}{%- endmacro -%}
{%- macro latest_by_rare_key(relation, key, newest) -%}select * from {{ relation }}{%- endmacro -%}
{%- macro read_landed_files(paths) -%}select * from landed_files{%- endmacro -%}
{%- macro unpivot_metrics(relation, metrics) -%}select * from {{ relation }}{%- endmacro -%}
{%- macro parquet_file(path) -%}parquet_file{%- endmacro -%}
{%- macro landed_manifest() -%}landed_manifest{%- endmacro -%}
{%- macro ops(name) -%}ops_{{ name }}{%- endmacro -%}
{%- macro this_build() -%}this_build{%- endmacro -%}

{#- expressions -#}
{%- macro sql_type(logical_type) -%}varchar{%- endmacro -%}
{%- macro read_as(value, logical_type) -%}cast({{ value }} as varchar){%- endmacro -%}
{%- macro as_of() -%}now(){%- endmacro -%}
{%- macro as_of_date() -%}today(){%- endmacro -%}
{%- macro beijing_date(instant) -%}cast({{ instant }} as date){%- endmacro -%}
{%- macro beijing_midnight(day) -%}cast({{ day }} as timestamptz){%- endmacro -%}
{%- macro hour_of(instant) -%}date_trunc('hour', {{ instant }}){%- endmacro -%}
{%- macro days_later(day, days) -%}{{ day }} + {{ days }}{%- endmacro -%}
{%- macro days_between(earlier, later) -%}{{ later }} - {{ earlier }}{%- endmacro -%}
{%- macro seconds_between(earlier, later) -%}{{ later }} - {{ earlier }}{%- endmacro -%}
{%- macro hash_number(columns) -%}hash({{ columns | join(', ') }}){%- endmacro -%}
{%- macro hash_text(expression) -%}md5({{ expression }}){%- endmacro -%}
{%- macro bare_name(expression) -%}lower({{ expression }}){%- endmacro -%}
{%- macro has_word(list, word) -%}contains({{ list }}, {{ word }}){%- endmacro -%}
{%- macro list_text(expression) -%}string_agg({{ expression }}){%- endmacro -%}
{%- macro joined_text(value, separator, order_by) -%}string_agg({{ value }}){%- endmacro -%}
{%- macro number_text(value) -%}cast({{ value }} as varchar){%- endmacro -%}
{%- macro json_of(columns) -%}json_object({{ columns | join(', ') }}){%- endmacro -%}
{%- macro json_text(column, field) -%}json_extract_string({{ column }}, '{{ field }}'){%- endmacro -%}
{%- macro json_text_of(column, field) -%}json_extract_string({{ column }}, {{ field }}){%- endmacro -%}

{#- statements after a build -#}
{%- macro follow_devices() -%}{%- endmacro -%}
