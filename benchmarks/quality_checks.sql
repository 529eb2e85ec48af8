-- The checks of resources.geo_reading as one would write them by hand. {new}, {past}, {devices}: lists of landed files.
-- What is counted must be 0 or as agreed; one row comes out.
with new as (
  select * from read_parquet({new}, union_by_name = true)
),

counted as (
  select
    count(*) as n_rows,
    max(observed_at) as newest_at,
    avg(displacement_mm) as displacement_mean,
    count(*) filter (device_id is null) as n_without_device,
    count(*) filter (observed_at is null) as n_without_moment,
    count(*) filter (recorded_at is null) as n_without_receipt,
    count(*) filter (displacement_mm not between -2000 and 10000) as n_displacement,
    count(*) filter (crack_width_mm not between 0 and 5000) as n_crack,
    count(*) filter (tilt_deg not between -90 and 90) as n_tilt,
    count(*) filter (rain_1h_mm not between 0 and 300) as n_rain,
    count(*) filter (soil_moisture_pct not between 0 and 100) as n_moisture,
    count(*) filter (battery_v not between 0 and 48) as n_battery,
    count(*) filter (quality_flag not in ('normal', 'maintenance', 'calibration', 'fault')) as n_flag,
    count(*) filter (device_id not in (select device_id from read_parquet({devices}))) as n_unknown_device
  from new
),

-- A key twice in one batch has no newest row; the same row again in another batch was sent twice.
suspect as (
  select device_id, observed_at from new group by device_id, observed_at having count(*) > 1
),

twice as (
  select count(*) as n_twice
  from (
    select
      count(*) over (partition by device_id, observed_at, _batch_id) as in_batch,
      count(*) over (
        partition by device_id, observed_at, displacement_mm, crack_width_mm, tilt_deg, rain_1h_mm, soil_moisture_pct,
        battery_v, quality_flag, recorded_at
      ) as alike
    from new semi join suspect using (device_id, observed_at)
  )
  where in_batch > 1 or alike > 1
),

-- Daily means of the days before, of the same devices at the same hours.
usual as (
  select avg(mean) as usual_mean, stddev_samp(mean) as usual_spread
  from (
    select avg(displacement_mm) as mean
    from read_parquet({past}, union_by_name = true)
    where
      device_id in (select device_id from new)
      and floor(epoch(observed_at) / 3600) % 24 in (select floor(epoch(observed_at) / 3600) % 24 from new)
    group by floor((epoch(observed_at) + 28800) / 86400)
  )
)

select * from counted cross join twice cross join usual
