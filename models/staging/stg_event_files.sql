-- One row per event file ever seen. The table is declared here and written by the materialization
-- of stg_events, in the transaction that loads the file.
select
    cast(null as varchar(256)) as source_file,
    cast(null as varchar(64)) as content_sha256,
    cast(null as varchar(16)) as state,
    cast(null as varchar(65535)) as refusal_reason,
    cast(null as varchar(256)) as same_content_as,
    cast(null as bigint) as size_bytes,
    cast(null as timestamp) as modified_at,
    cast(null as bigint) as row_count,
    cast(null as bigint) as kept_count,
    cast(null as bigint) as duplicate_count,
    cast(null as bigint) as duplicate_across_count,
    cast(null as bigint) as duplicate_purchase_count,
    cast(null as decimal(18, 2)) as duplicate_purchase_amount,
    cast(null as bigint) as rejected_count,
    cast(null as bigint) as pseudonym_key_fingerprint,
    cast(null as timestamp) as first_event_at,
    cast(null as timestamp) as last_event_at,
    cast(null as timestamp) as loaded_at,
    cast(null as timestamp) as reload_requested_at,
    cast(null as timestamp) as tested_at,
    cast(null as timestamp) as recorded_at,
    cast(null as varchar(64)) as invocation_id
where false
