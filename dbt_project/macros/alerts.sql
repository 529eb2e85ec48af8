{#- Whether an alert of the ops store tells of danger now that nobody has seen end: no exercise, nothing that is over. -#}
{%- macro is_open_alert(alert) -%}
    ({{ alert }}.state in ('open', 'suppressed', 'acknowledged', 'dispatched') and not {{ alert }}.is_exercise)
{%- endmacro -%}
