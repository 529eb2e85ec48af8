-- One row per risk object: what its newest register says, before it is matched with an enterprise.
{{ latest_by_key(ref('all_object'), ['object_id'], ['received_at', 'batch_id']) }}
