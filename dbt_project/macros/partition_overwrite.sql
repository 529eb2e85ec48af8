{#-
    Incremental strategy: the days that this build calls affected are deleted and written anew, so that a late file,
    a correction and a withdrawn batch all come out as if the table had been built from nothing. A day that lost all
    its files is only deleted.

    Tables built this way have feed_id and landed_on. With a `unique_key`, a key that moved to another day keeps only
    its newest row (by received_at, batch_id): this is for facts whose key does not contain their time.
-#}
{%- macro get_incremental_partition_overwrite_sql(arg_dict) -%}
    {%- set target_relation = arg_dict['target_relation'] -%}
    {%- set columns = arg_dict['dest_columns'] | map(attribute='quoted') | join(', ') -%}
    {%- set key = arg_dict['unique_key'] -%}
    delete from {{ target_relation }}
    where (feed_id, landed_on) in (
        select feed_id, cast(landed_on as date) from {{ landed_manifest() }} where is_affected
    );

    insert into {{ target_relation }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }};

    {%- if key %}

    delete from {{ target_relation }}
    where {{ key }} in (select {{ key }} from {{ arg_dict['temp_relation'] }})
        and ({{ key }}, received_at, batch_id) not in (
            select {{ key }}, max(received_at), max_by(batch_id, (received_at, batch_id))
            from {{ target_relation }}
            where {{ key }} in (select {{ key }} from {{ arg_dict['temp_relation'] }})
            group by {{ key }}
        );
    {%- endif %}
{%- endmacro -%}
