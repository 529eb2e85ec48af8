{#- Formulas of standards, as the clause has them. Cut-offs and tables are seed rows; only the formula stands here. -#}

{#- LEC method: D = L × E × C, never truncated. -#}
{%- macro lec(likelihood, frequency, consequence) -%}
    ({{ likelihood }} * {{ frequency }} * {{ consequence }})
{%- endmacro -%}

{#- GB 18218-2018 4.2.1: one substance's share of S; the design maximum counts, not the live stock. -#}
{%- macro gb18218_ratio(design_max_t, critical_quantity_t) -%}
    ({{ design_max_t }} / {{ critical_quantity_t }})
{%- endmacro -%}

{#- GB/T 17742-2020 annex A: instrument intensity from PGA (m/s²) and PGV (m/s), 0.1 to 10 Hz, one decimal.
    The switch to velocity alone at 6 makes the result fall and rise near 6: that is the standard. -#}
{%- macro instrument_intensity(pga, pgv) -%}
    {%- set by_acceleration = '(3.17 * log10(' ~ pga ~ ') + 6.59)' -%}
    {%- set by_velocity = '(3.00 * log10(' ~ pgv ~ ') + 9.77)' -%}
    round(greatest(1.0, least(12.0, case
      when {{ by_acceleration }} >= 6 and {{ by_velocity }} >= 6 then {{ by_velocity }}
      else ({{ by_acceleration }} + {{ by_velocity }}) / 2
    end)), 1)
{%- endmacro -%}

{#- HJ 633-2012: index of one pollutant inside one row of `aqi_breakpoints`, rounded up. -#}
{%- macro iaqi(concentration, row) -%}
    ceil(
      ({{ row }}.iaqi_high - {{ row }}.iaqi_low) / ({{ row }}.concentration_high - {{ row }}.concentration_low)
      * ({{ concentration }} - {{ row }}.concentration_low) + {{ row }}.iaqi_low
    )
{%- endmacro -%}

{#- Improved tangent angle of a landslide, in degrees: step over the step that constant creep would have made. -#}
{%- macro tangent_angle(before_mm, after_mm, creep_mm_per_day, days) -%}
    degrees(atan(({{ after_mm }} - {{ before_mm }}) / ({{ creep_mm_per_day }} * {{ days }})))
{%- endmacro -%}

{#- Demonstration-city scoring: full marks less deductions, never below zero. -#}
{%- macro deducted(full_marks, deductions) -%}
    greatest(0.0, {{ full_marks }} - {{ deductions }})
{%- endmacro -%}

{#- Expected annual loss times community risk factor (FEMA National Risk Index). -#}
{%- macro annual_loss(exposure, frequency, loss_ratio, community_factor) -%}
    ({{ exposure }} * {{ frequency }} * {{ loss_ratio }} * {{ community_factor }})
{%- endmacro -%}
