with

files as (
    select * from {{ ref('stg_event_files') }}
),

events as (
    select * from {{ ref('int_events') }}
),

rules as (
    select * from {{ ref('quality_rules') }}
),

overlong_sessions as (
    select sessions.session_key
    from {{ ref('int_sessions') }} as sessions
    where sessions.duration_seconds > 86400
),

robots as (
    select users.user_key
    from {{ ref('int_users') }} as users
    where users.is_robot
),

of_events as (
    select
        events.source_file,
        count(*) as kept,
        sum(case when events.is_category_completed then 1 else 0 end) as category_completed,
        sum(case when events.is_category_corrected then 1 else 0 end) as category_corrected,
        sum(case when events.is_sensitive then 1 else 0 end) as category_withheld,
        sum(case when events.category_code is null then 1 else 0 end) as category_unknown,
        sum(case when events.brand is null then 1 else 0 end) as brand_unknown,
        sum(case when events.price = 0 then 1 else 0 end) as price_zero,
        sum(case when events.price > 0 and events.usable_price is null then 1 else 0 end)
            as price_outlying,
        sum(case when events.has_session then 0 else 1 end) as session_missing,
        count(overlong_sessions.session_key) as session_overlong,
        count(robots.user_key) as robot
    from events
    left join overlong_sessions on events.session_key = overlong_sessions.session_key
    left join robots on events.user_key = robots.user_key
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
                when 'kept' then coalesce(of_events.kept, 0)
                when 'rejected' then files.rejected_count
                when 'duplicate' then files.duplicate_count
                when 'duplicate_purchase' then files.duplicate_purchase_count
                when 'category_completed' then coalesce(of_events.category_completed, 0)
                when 'category_corrected' then coalesce(of_events.category_corrected, 0)
                when 'category_withheld' then coalesce(of_events.category_withheld, 0)
                when 'category_unknown' then coalesce(of_events.category_unknown, 0)
                when 'brand_unknown' then coalesce(of_events.brand_unknown, 0)
                when 'price_zero' then coalesce(of_events.price_zero, 0)
                when 'price_outlying' then coalesce(of_events.price_outlying, 0)
                when 'session_missing' then coalesce(of_events.session_missing, 0)
                when 'session_overlong' then coalesce(of_events.session_overlong, 0)
                when 'robot' then coalesce(of_events.robot, 0)
            end as bigint
        ) as row_count,
        case when rules.rule = 'duplicate_purchase' then files.duplicate_purchase_amount end
            as amount,
        rules.reason_en,
        rules.reason_fr,
        files.loaded_at
    from files
    cross join rules
    left join of_events on files.source_file = of_events.source_file
)

select * from data_quality
