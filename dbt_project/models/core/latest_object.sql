-- One row per risk object: what its register said last, before it is matched with an enterprise.
{{ latest_by_key(ref('object_version'), ['object_id'], ['valid_from']) }}
