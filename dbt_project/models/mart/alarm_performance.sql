-- One row per day and group of operators, by the measures of GB/T 41261. Positions of operators are not kept yet: the
-- table stands with its columns, so that scripts need no second version.
{%- set columns = {
  'as_of_date': 'date',
  'operator_group': 'string',
  'alarms_per_10_min_mean': 'number',
  'alarms_per_10_min_max': 'number',
  'share_of_time_in_flood': 'number',
  'n_chattering': 'integer',
  'n_stale': 'integer',
} %}
select {{ entity_columns(columns, {}) }}
where 1 = 0
