-- Protects the money: what the users sum up is what the sessions do that were over at as_of, to the
-- cent, and no slice of the users is lost.
with

as_of as (
    select * from {{ ref('int_as_of') }}
),

of_sessions as (
    select
        count(*) as session_count,
        coalesce(sum(sessions.revenue_amount), 0) as revenue_amount
    from {{ ref('int_sessions') }} as sessions
    where sessions.ended_at <= (select as_of.as_of from as_of)
),

of_users as (
    select
        coalesce(sum(users.session_count), 0) as session_count,
        coalesce(sum(users.revenue_amount), 0) as revenue_amount
    from {{ ref('int_users') }} as users
),

differences as (
    select
        of_users.session_count - of_sessions.session_count as session_difference,
        of_users.revenue_amount - of_sessions.revenue_amount as revenue_difference
    from of_sessions
    cross join of_users
)

select * from differences
where session_difference != 0 or revenue_difference != 0
