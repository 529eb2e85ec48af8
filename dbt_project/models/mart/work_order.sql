-- One row per order to a disposing unit, from told to fed back. Orders are not kept yet: the table stands with its
-- columns, so that scripts need no second version.
{%- set columns = {
  'order_id': 'string',
  'alert_id': 'string',
  'unit_id': 'string',
  'told_at': 'timestamp',
  'received_at': 'timestamp',
  'arrived_at': 'timestamp',
  'fed_back_at': 'timestamp',
  'due_at': 'timestamp',
  'is_overdue': 'boolean',
} %}
select {{ entity_columns(columns, {}) }}
where 1 = 0
