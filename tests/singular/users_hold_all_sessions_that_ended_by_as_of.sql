-- Protects the users, whether built at once or load by load: each user's sums are those of the
-- sessions that were over at as_of.
with

as_of as (
    select * from {{ ref('int_as_of') }}
),

of_sessions as (
    select
        sessions.user_key,
        count(*) as session_count,
        sum(sessions.event_count) as event_count,
        sum(sessions.purchase_count) as purchase_count,
        sum(sessions.revenue_amount) as revenue_amount
    from {{ ref('int_sessions') }} as sessions
    cross join as_of
    where sessions.ended_at <= as_of.as_of and {{ sampled('sessions.user_key') }}
    group by sessions.user_key
),

users as (
    select * from {{ ref('int_users') }}
    where {{ sampled('user_key') }}
),

wrong_users as (
    select
        coalesce(of_sessions.user_key, users.user_key) as user_key,
        users.session_count,
        users.event_count,
        users.purchase_count,
        users.revenue_amount
    from of_sessions
    full outer join users on of_sessions.user_key = users.user_key
    where
        of_sessions.user_key is null
        or users.user_key is null
        or of_sessions.session_count != users.session_count
        or of_sessions.event_count != users.event_count
        or of_sessions.purchase_count != users.purchase_count
        or of_sessions.revenue_amount != users.revenue_amount
)

select * from wrong_users
