{#-
    What a build reads from outside: landed files, the ops snapshot and the facts of the build itself.
    Every path is an explicit literal, because file lists from subqueries or session variables do not reach dbt's
    cursors, and a glob costs ten times as much.
-#}

{#- Rows of one feed's live files as typed columns plus meta columns and landed_on.
    Registers read all live files; facts only the days that are affected in this build (all live files of them).
    `columns` maps landed column names to logical types. A feed with no files gives an empty, typed relation. -#}
{%- macro landed(feed_id, columns, is_register) -%}
    {%- set meta = landed_meta() -%}
    {%- set paths = landed_paths(feed_id, is_register) -%}
    {%- set as_text = landed_unfit(feed_id) -%}
    {%- set unfit = as_text.values() | sum(start=[]) | unique | list -%}
    select
        {%- for name, logical_type in columns.items() %}
        {%- if name in unfit %}
        {#- The contract changed since it landed: the value is read where it can be, and costs nothing else. #}
        {{ read_as(name, logical_type) }} as {{ name }},
        {%- else %}
        cast({{ name }} as {{ sql_type(logical_type) }}) as {{ name }},
        {%- endif %}
        {%- endfor %}
        {%- for name, logical_type in meta.items() %}
        cast({{ name }} as {{ sql_type(logical_type) }}) as {{ name }},
        {%- endfor %}
        landed_on
    from (
        select
            {%- for name, logical_type in columns.items() %}
            {#- one type for all files of a column that landed as several #}
            cast(null as {{ sql_type('string' if name in unfit else logical_type) }}) as {{ name }},
            {%- endfor %}
            {%- for name, logical_type in meta.items() %}
            cast(null as {{ sql_type(logical_type) }}) as {{ name }},
            {%- endfor %}
            cast(null as date) as landed_on
        where 1 = 0
        {%- if paths %}
        union all by name
        {{ read_landed_files(paths, as_text) }}
        {%- endif %}
    ) as files
{%- endmacro -%}

{#- Columns that every landed file has beside the contract's own. -#}
{%- macro landed_meta() -%}
    {{- return({
        '_batch_id': 'string', '_row': 'string', '_received_at': 'timestamp', '_flags': 'string',
        '_extra': 'string', '_area_code': 'string', '_lon': 'number', '_lat': 'number',
    }) -}}
{%- endmacro -%}

{#- Absolute paths of the files that a staging model reads in this build, as a list; empty while parsing. -#}
{%- macro landed_paths(feed_id, is_register) -%}
    {%- if not is_built() -%}{{- return([]) -}}{%- endif -%}
    {%- set query -%}
        select path from {{ landed_manifest() }}
        where feed_id = '{{ feed_id }}' and path is not null {{ '' if is_register else 'and is_affected' }}
        order by path
    {%- endset -%}
    {{- return(run_query(query).columns[0].values() | list) -}}
{%- endmacro -%}

{#- By path, as a dict: the columns that files of a feed have in another type than its contract has now. -#}
{%- macro landed_unfit(feed_id) -%}
    {%- if not is_built() -%}{{- return({}) -}}{%- endif -%}
    {%- set query -%}
        select path, unfit from {{ landed_manifest() }}
        where feed_id = '{{ feed_id }}' and path is not null and unfit is not null
    {%- endset -%}
    {%- set found = {} -%}
    {%- for row in run_query(query).rows -%}{%- do found.update({row[0]: row[1].split(',')}) -%}{%- endfor -%}
    {{- return(found) -}}
{%- endmacro -%}

{#- Whether there is a build whose facts can be asked for: not while dbt parses, and not for `dbt docs generate`, which
    describes the project and needs no home. -#}
{%- macro is_built() -%}
    {{- return(execute and flags.WHICH != 'generate') -}}
{%- endmacro -%}

{#- Where orchestration writes what a build reads. -#}
{%- macro build_folder() -%}
    {{- return(env_var('CITYRISK_BUILD', env_var('CITYRISK_HOME', 'var') ~ '/build')) -}}
{%- endmacro -%}

{#- The list of live files that orchestration wrote before this build: feed_id, landed_on, path, batch_id,
    is_affected, is_changed. A day that lost all its files stands in it with a null path. -#}
{%- macro landed_manifest() -%}
    {{- parquet_file(build_folder() ~ '/landed.parquet') -}}
{%- endmacro -%}

{#- One snapshot table of the ops store: `{{ ops('check_verdict') }}`. Instants are TIMESTAMPTZ. -#}
{%- macro ops(table) -%}
    {{- parquet_file(build_folder() ~ '/ops/' ~ table ~ '.parquet') -}}
{%- endmacro -%}

{#- One row a feed that is not wholly in this build: feed_id, reason. -#}
{%- macro left_out() -%}
    {{- parquet_file(build_folder() ~ '/left_out.parquet') -}}
{%- endmacro -%}

{#- The one row of facts of this build: run_id, as_of, as_of_date, last_built_on (null before the first finished build),
    opened_at (when the home published first, else as_of), city_code, is_full_refresh. -#}
{%- macro this_build() -%}
    {{- parquet_file(build_folder() ~ '/build.parquet') -}}
{%- endmacro -%}

{#- The instant that this build looks at the city from, as a literal: `received_at <= {{ as_of() }}`. -#}
{%- macro as_of() -%}
    {%- if not is_built() -%}cast(null as {{ sql_type('timestamp') }}){%- else -%}
    {%- set query -%}select cast(as_of as {{ dbt.type_string() }}) from {{ this_build() }}{%- endset -%}
    cast('{{ run_query(query).columns[0].values()[0] }}' as {{ sql_type('timestamp') }})
    {%- endif -%}
{%- endmacro -%}

{#- The Beijing civil date of `as_of()`, as a literal. -#}
{%- macro as_of_date() -%}
    {%- if not is_built() -%}cast(null as date){%- else -%}
    {%- set query -%}select cast(as_of_date as {{ dbt.type_string() }}) from {{ this_build() }}{%- endset -%}
    cast('{{ run_query(query).columns[0].values()[0] }}' as date)
    {%- endif -%}
{%- endmacro -%}
