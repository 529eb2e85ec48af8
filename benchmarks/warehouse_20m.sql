-- The same answers as the product gives, written by hand for one engine and one feed, with nothing kept for later.
-- {readings}, {devices} and {points} are lists of Parquet files. Prints nothing; leaves tables.

-- 1. read, and keep the newest row of each key
create table wide as
select * exclude (place)
from (
  select
    *,
    row_number() over (partition by device_id, observed_at order by _received_at desc, _batch_id desc) as place
  from read_parquet({readings})
)
where place = 1;

-- 2. five kinds of checks
create table verdict as
select 'missing_key' as kind, count(*) as n from wide where device_id is null or observed_at is null
union all
select 'duplicate_key', (select count(*) from read_parquet({readings})) - (select count(*) from wide)
union all
select 'out_of_range', count(*) from wide
where displacement_mm not between -2000 and 10000 or crack_width_mm not between 0 and 5000
  or tilt_deg not between -90 and 90 or rain_1h_mm not between 0 and 300 or soil_moisture_pct not between 0 and 100
union all
select 'unknown_device', count(*) from wide
where device_id not in (select device_id from read_parquet({devices}))
union all
select 'thin_batch', count(*) from (select _batch_id from wide group by 1 having count(*) < 1);

-- 3. the long table
create table reading as
select
  'resources:' || long.device_id as device_id,
  'resources:' || device.point_id as object_id,
  long.metric,
  long.observed_at,
  long._received_at as received_at,
  long.value,
  long.quality_flag,
  long._batch_id as batch_id
from (
  unpivot (
    select device_id, observed_at, _received_at, quality_flag, _batch_id,
      displacement_mm, crack_width_mm, tilt_deg, rain_1h_mm, soil_moisture_pct
    from wide
  )
  on displacement_mm, crack_width_mm, tilt_deg, rain_1h_mm, soil_moisture_pct
  into name metric value value
) as long
left join read_parquet({devices}) as device on long.device_id = device.device_id;

-- 4. hourly roll-up
create table reading_hourly as
select
  device_id,
  metric,
  time_bucket(interval 1 hour, observed_at) as hour,
  avg(value) filter (where quality_flag = 'normal') as mean_value,
  min(value) filter (where quality_flag = 'normal') as min_value,
  max(value) filter (where quality_flag = 'normal') as max_value,
  count(*) as n,
  count(*) filter (where quality_flag <> 'normal') as n_flagged
from reading
group by all;

-- 5. what an area index starts from: the worst sound value of each metric by county and Beijing day
create table area_day as
select
  point._area_code as area_code,
  reading.metric,
  cast(hourly.hour + interval 8 hour as date) as day,
  max(hourly.max_value) as worst
from reading_hourly as hourly
inner join (select distinct device_id, object_id, metric from reading) as reading
  on hourly.device_id = reading.device_id and hourly.metric = reading.metric
inner join read_parquet({points}) as point on reading.object_id = 'resources:' || point.point_id
group by all;
