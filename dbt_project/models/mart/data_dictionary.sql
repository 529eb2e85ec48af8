-- One row per column of core, risk and mart tables and of the landed feeds: what it means, in both languages.
-- The columns' own yml is the only place that says it; for feeds it is the contract.
{%- set tables = [] -%}
{%- if execute -%}
{%- for node in graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') | sort(attribute='name') -%}
{%- if node.schema in ('core', 'risk', 'mart') and node.config.materialized != 'ephemeral' and node.columns -%}
{%- do tables.append(node) -%}
{%- endif -%}
{%- endfor -%}
{%- endif %}
select
  described.table_name,
  described.column_name,
  described.description_zh,
  described.description_en,
  described.unit,
  described.owner,
  described.sensitivity
from (
  values
  (null, null, null, null, null, null, null)
  {%- for node in tables %}
  {%- for column in node.columns.values() %}
  {%- set meta = column.config.meta or column.meta %}
  , (
    '{{ node.schema }}.{{ node.alias }}', '{{ column.name }}',
    '{{ meta.get("zh", "") | replace("'", "''") }}', '{{ (meta.get("en") or column.description) | replace("'", "''") }}',
    '{{ meta.get("unit", "") }}', '{{ meta.get("owner", "data-office") }}', '{{ meta.get("sensitivity", "internal") }}'
  )
  {%- endfor %}
  {%- endfor %}
) as described (table_name, column_name, description_zh, description_en, unit, owner, sensitivity)
where described.table_name is not null
union all
select
  columns.table_name,
  columns.column_name,
  columns.label_zh as description_zh,
  columns.description_en,
  columns.unit,
  feeds.owner,
  columns.sensitivity
from {{ ref('feed_columns') }} as columns
inner join {{ ref('feeds') }} as feeds on columns.feed_id = feeds.feed_id
