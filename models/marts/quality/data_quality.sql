with

files as (
    select * from {{ ref('stg_event_files') }}
    where state = 'loaded'
),

of_files as (
    select * from {{ ref('int_file_counts') }}
),

rules as (
    select * from {{ ref('quality_rules') }}
),

-- few sessions and few users: a semi-join, so that no other column of the events is read
of_overlong_sessions as (
    select
        events.source_file,
        count(*) as event_count
    from {{ ref('stg_events') }} as events
    where
        events.session_key in (
            select sessions.session_key
            from {{ ref('int_sessions') }} as sessions
            where sessions.duration_seconds > 86400
        )
    group by events.source_file
),

of_robots as (
    select
        events.source_file,
        count(*) as event_count
    from {{ ref('stg_events') }} as events
    where
        events.user_key in (
            select users.user_key
            from {{ ref('int_users') }} as users
            where users.is_robot
        )
    group by events.source_file
),

data_quality as (
    select
        files.source_file,
        rules.rule,
        cast(rules.position as integer) as position,
        rules.outcome,
        cast(
            case rules.rule
                when 'row' then files.row_count
                when 'kept' then coalesce(of_files.kept_count, 0)
                when 'rejected' then files.rejected_count
                when 'duplicate' then files.duplicate_count
                when 'duplicate_purchase' then files.duplicate_purchase_count
                when 'category_completed' then coalesce(of_files.category_completed_count, 0)
                when 'category_corrected' then coalesce(of_files.category_corrected_count, 0)
                when 'category_withheld' then coalesce(of_files.category_withheld_count, 0)
                when 'category_unknown' then coalesce(of_files.category_unknown_count, 0)
                when 'brand_unknown' then coalesce(of_files.brand_unknown_count, 0)
                when 'price_zero' then coalesce(of_files.price_zero_count, 0)
                when 'price_outlying' then coalesce(of_files.price_outlying_count, 0)
                when 'session_missing' then coalesce(of_files.session_missing_count, 0)
                when 'session_overlong' then coalesce(of_overlong_sessions.event_count, 0)
                when 'robot' then coalesce(of_robots.event_count, 0)
            end as bigint
        ) as row_count,
        case when rules.rule = 'duplicate_purchase' then files.duplicate_purchase_amount end
            as amount,
        rules.reason_en,
        rules.reason_fr,
        files.loaded_at
    from files
    cross join rules
    left join of_files on files.source_file = of_files.source_file
    left join of_overlong_sessions on files.source_file = of_overlong_sessions.source_file
    left join of_robots on files.source_file = of_robots.source_file
)

select * from data_quality
