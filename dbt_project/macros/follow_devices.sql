{#-
    After readings were loaded: when a register came in this build, readings get the object at which it says that their
    device stood. Otherwise an incremental build would differ from one made from nothing: a device that no register
    named yet, or a register's batch that was taken back.
-#}
{%- macro follow_devices() -%}
    {#- Named before any condition, so that dbt knows the edges. -#}
    {%- set feeds, all_device = ref('feeds'), ref('all_device') -%}
    {%- if is_built() and is_incremental() -%}
    {%- set query -%}
        select count(*) from {{ landed_manifest() }} as landed
        inner join {{ feeds }} as feeds on landed.feed_id = feeds.feed_id
        where landed.is_affected and contains(';' || feeds.entities || ';', ';device;')
    {%- endset -%}
    {%- if run_query(query).columns[0].values()[0] > 0 -%}
    update {{ this }} as reading
    set object_id = device.object_id
    from ({{ places_of_devices() }}) as device
    where
        reading.device_id = device.device_id
        and {{ stood_at('reading.observed_at') }}
        and reading.object_id is distinct from device.object_id
    {%- endif -%}
    {%- endif -%}
{%- endmacro -%}
