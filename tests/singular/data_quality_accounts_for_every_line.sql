-- Protects the quality report: for each file, the lines that came in are those kept, rejected and
-- left out as duplicates, and each rule of the seed has a count.
with

files as (
    select * from {{ ref('stg_event_files') }}
    where state = 'loaded'
),

reported as (
    select
        quality.source_file,
        sum(case when quality.rule = 'row' then quality.row_count end) as row_count,
        sum(
            case
                when quality.rule in ('kept', 'rejected', 'duplicate') then quality.row_count
            end
        ) as accounted_count,
        sum(case when quality.row_count is null then 1 else 0 end) as uncounted_rule_count
    from {{ ref('data_quality') }} as quality
    group by quality.source_file
),

wrong_files as (
    select
        files.source_file,
        reported.row_count,
        reported.accounted_count,
        reported.uncounted_rule_count
    from files
    left join reported on files.source_file = reported.source_file
    where
        reported.row_count is null
        or reported.accounted_count is null
        or reported.row_count != reported.accounted_count
        or reported.uncounted_rule_count > 0
)

select * from wrong_files
