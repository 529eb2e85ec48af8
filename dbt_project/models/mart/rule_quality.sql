-- One row per rule and month: how many of its alerts were true, how many were missed, how fast it spoke. The verdicts
-- that it counts are not kept yet: the table stands with its columns, so that scripts need no second version.
{%- set columns = {
  'rule_id': 'string',
  'month': 'date',
  'system_id': 'string',
  'colour': 'string',
  'n_alerts': 'integer',
  'n_true': 'integer',
  'n_false': 'integer',
  'n_missed': 'integer',
  'precision': 'number',
  'recall': 'number',
  'median_minutes_to_alert': 'number',
} %}
select {{ entity_columns(columns, {}) }}
where 1 = 0
