-- One row per hazard unit and substance with its critical quantity and beta (GB 18218-2018 4.1.2 and 4.3.2).
-- Table 1 by CAS number, never by name; otherwise Table 2 by class; the lowest critical quantity when several apply.
-- Beta: Table 3 by substance, otherwise Table 4 by the declared class, otherwise by the class that the seed presumes;
-- with none of these the worst beta of Table 4 stands in and is marked, for a person to decide.
-- A substance that neither table knows does not count in S and R and is shown as unmatched.
with by_cas as (
  select
    listed.cas_no,
    min(listed.critical_quantity_t) as critical_quantity_t,
    max(listed.beta) as beta,
    max(presumed.beta) as presumed_beta
  from {{ ref('gb18218_table1') }} as listed
  left join {{ ref('gb18218_table2_4') }} as presumed on listed.presumed_class = presumed.hazard_class
  where listed.cas_no is not null
  group by listed.cas_no
),

by_class as (
  select
    substance.object_id,
    substance.cas_no,
    min(class.critical_quantity_t) as critical_quantity_t,
    max(class.beta) as beta
  from {{ ref('substance') }} as substance
  inner join {{ ref('gb18218_table2_4') }} as class
    on {{ has_word("replace(replace(substance.hazard_class, ';', ','), ' ', '')", "' || class.hazard_class || '") }}
  group by substance.object_id, substance.cas_no
),

unclassed as (
  select max(beta) as beta
  from {{ ref('gb18218_table2_4') }}
)

select
  substance.object_id as unit_id,
  substance.cas_no,
  substance.substance_name_zh,
  substance.hazard_class,
  substance.design_max_t,
  coalesce(by_cas.critical_quantity_t, by_class.critical_quantity_t) as critical_quantity_t,
  case
    when coalesce(by_cas.critical_quantity_t, by_class.critical_quantity_t) is not null
      then coalesce(by_cas.beta, by_class.beta, by_cas.presumed_beta, unclassed.beta)
  end as beta,
  case
    when by_cas.critical_quantity_t is not null then 'table_1'
    when by_class.critical_quantity_t is not null then 'table_2'
    else 'unmatched'
  end as matched_by,
  coalesce(by_cas.critical_quantity_t, by_class.critical_quantity_t) is not null
  and coalesce(by_cas.beta, by_class.beta, by_cas.presumed_beta) is null as is_beta_assumed
from {{ ref('substance') }} as substance
left join by_cas on substance.cas_no = by_cas.cas_no
left join by_class on substance.object_id = by_class.object_id and substance.cas_no = by_class.cas_no
cross join unclassed
