{{ config(severity='warn') }}

-- Warns of lines that could not be typed, in files that no passed build has had: they are kept
-- aside with their reason, and the file was loaded without them.
select
    lines.source_file,
    lines.line_number,
    lines.reason
from {{ ref('stg_rejected_event_lines') }} as lines
where {{ untested('lines.loaded_at') }}
