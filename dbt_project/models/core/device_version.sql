-- One row per registered device and version: what its register said of it, from when to when.
{{ register_versions(ref('all_device'), 'device_id', [
  'device_id', 'object_id', 'feed_id', 'department_code', 'domain', 'subdomain', 'name_zh', 'area_code', 'lon',
  'lat', 'installed_on', 'protocol', 'metric_list', 'attributes'
], ['updated_at']) }}
