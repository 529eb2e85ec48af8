{#- The Beijing civil date of an instant. China has had one zone and no summer time since 1992. -#}
{%- macro beijing_date(instant) -%}
    {{- adapter.dispatch('beijing_date', 'cityrisk')(instant) -}}
{%- endmacro -%}

{%- macro default__beijing_date(instant) -%}
    cast(make_timestamp(epoch_us({{ instant }}) + 28800000000) as date)
{%- endmacro -%}

{#- The instant at which a Beijing civil date begins. -#}
{%- macro beijing_midnight(day) -%}
    {{- adapter.dispatch('beijing_midnight', 'cityrisk')(day) -}}
{%- endmacro -%}

{%- macro default__beijing_midnight(day) -%}
    make_timestamptz(epoch_us(cast({{ day }} as timestamp)) - 28800000000)
{%- endmacro -%}

{#- The start of the hour of an instant. -#}
{%- macro hour_of(instant) -%}
    {{- adapter.dispatch('hour_of', 'cityrisk')(instant) -}}
{%- endmacro -%}

{%- macro default__hour_of(instant) -%}
    time_bucket(interval 1 hour, {{ instant }})
{%- endmacro -%}

{#- A date some days later; `days` may be an expression and negative. -#}
{%- macro days_later(day, days) -%}
    ({{ day }} + cast({{ days }} as integer))
{%- endmacro -%}

{#- Whole days from one date to a later one. -#}
{%- macro days_between(earlier, later) -%}
    {{- adapter.dispatch('days_between', 'cityrisk')(earlier, later) -}}
{%- endmacro -%}

{%- macro default__days_between(earlier, later) -%}
    date_diff('day', {{ earlier }}, {{ later }})
{%- endmacro -%}

{#- An instant some seconds later; `seconds` may be an expression. -#}
{%- macro seconds_later(instant, seconds) -%}
    {{- adapter.dispatch('seconds_later', 'cityrisk')(instant, seconds) -}}
{%- endmacro -%}

{%- macro default__seconds_later(instant, seconds) -%}
    ({{ instant }} + to_seconds({{ seconds }}))
{%- endmacro -%}

{#- Whole seconds from one instant to a later one. -#}
{%- macro seconds_between(earlier, later) -%}
    {{- adapter.dispatch('seconds_between', 'cityrisk')(earlier, later) -}}
{%- endmacro -%}

{%- macro default__seconds_between(earlier, later) -%}
    {#- As `date_diff`, which asks a calendar of every row and takes 25 times as long. #}
    (epoch_us({{ later }}) // 1000000 - epoch_us({{ earlier }}) // 1000000)
{%- endmacro -%}

{#- How many periods of 24 hours before an end an instant lies: 0 in the last one. Calendar days where the end is a
    Beijing midnight. -#}
{%- macro days_back(instant, ends_at) -%}
    cast(greatest(0, floor(({{ seconds_between(instant, ends_at) }} - 1) / 86400.0)) as integer)
{%- endmacro -%}

{#- Rows of facts with the day that they are looked at on, `as_of_date`: days that are over as they are, and as the day
    of the build the 24 hours up to the newest fact of each feed, so that one of yesterday evening is in both. A feed
    that said nothing in the last 24 hours has no such day. -#}
{%- macro looked_at(relation, instant) -%}
    (
        select *, landed_on as as_of_date
        from {{ relation }}
        where landed_on < {{ as_of_date() }}
        union all
        select facts.*, {{ as_of_date() }} as as_of_date
        from {{ relation }} as facts
        inner join (
            select feed_id, max({{ instant }}) as newest_at
            from {{ relation }}
            where landed_on between {{ days_later(as_of_date(), -1) }} and {{ as_of_date() }}
            group by feed_id
        ) as newest on facts.feed_id = newest.feed_id
        where facts.landed_on between {{ days_later(as_of_date(), -2) }} and {{ as_of_date() }}
            and facts.{{ instant }} > {{ seconds_later('newest.newest_at', -86400) }}
            and newest.newest_at > {{ seconds_later(as_of(), -86400) }}
    )
{%- endmacro -%}
