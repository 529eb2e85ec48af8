-- One row per risk object and version: what its register said of it, from when to when.
{{ register_versions(ref('all_object'), 'object_id', [
  'object_id', 'feed_id', 'department_code', 'domain', 'subdomain', 'object_type', 'object_subtype', 'name_zh',
  'name_en', 'area_code', 'lon', 'lat', 'geometry_wkt', 'credit_code', 'enterprise_name', 'address',
  'built_on', 'status', 'grade', 'people', 'attributes'
], ['updated_at', 'flags']) }}
