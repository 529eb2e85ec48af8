{#- Whether an alert of the ops store tells of danger now that nobody has seen end: no exercise, nothing that is over.
    The states are ONGOING of `alerting.lifecycle.steps`; danger that was past when it became known is resolved from
    its first row on, so it is in none of them. -#}
{%- macro is_open_alert(alert) -%}
    ({{ alert }}.state in ('open', 'suppressed', 'acknowledged', 'dispatched') and not {{ alert }}.is_exercise)
{%- endmacro -%}
