-- Protects the ledger: a line of a file that is neither an event, nor a duplicate, nor a rejected
-- line was lost in silence. The tables are counted anew, so the ledger cannot vouch for itself.
with

files as (
    select * from {{ ref('stg_event_files') }}
    where state = 'loaded' and {{ untested('loaded_at') }}
),

kept as (
    select
        events.source_file,
        count(*) as line_count
    from {{ ref('stg_events') }} as events
    where {{ untested('events.loaded_at') }}
    group by events.source_file
),

rejected as (
    select
        lines.source_file,
        count(*) as line_count
    from {{ ref('stg_rejected_event_lines') }} as lines
    where {{ untested('lines.loaded_at') }}
    group by lines.source_file
),

-- rows of a file that the ledger does not know are lost to every later check
loaded as (
    select kept.source_file from kept
    union distinct
    select rejected.source_file from rejected
    union distinct
    select files.source_file from files
),

wrong_files as (
    select
        loaded.source_file,
        files.row_count,
        files.duplicate_count,
        kept.line_count as kept_count,
        rejected.line_count as rejected_count
    from loaded
    left join files on loaded.source_file = files.source_file
    left join kept on loaded.source_file = kept.source_file
    left join rejected on loaded.source_file = rejected.source_file
    where
        files.source_file is null
        or coalesce(files.kept_count, -1) != coalesce(kept.line_count, 0)
        or coalesce(files.rejected_count, -1) != coalesce(rejected.line_count, 0)
        or coalesce(files.row_count, -1)
        != coalesce(kept.line_count, 0)
        + coalesce(rejected.line_count, 0)
        + coalesce(files.duplicate_count, 0)
)

select * from wrong_files
