-- One row per line of an event file that could not be typed. The table is declared here and
-- written by the materialization of stg_events, in the transaction that loads the file.
select
    cast(null as varchar(256)) as source_file,
    cast(null as bigint) as line_number,
    cast(null as varchar(256)) as reason,
    cast(null as varchar(65535)) as line,
    cast(null as timestamp) as loaded_at
where false
