{{ config(materialized='monthly_history', dist='user_key', sort=['month_on', 'user_key']) }}

{% set segments = range(1, max_segments() + 1) %}

with

kept_months as (
    select
        history.month_on,
        max(history.as_of) as as_of,
        max(history.model_version) as model_version,
        max(history.min_events) as min_events
    from {{ this }} as history
    group by history.month_on
),

newest as (
    select max(kept_months.month_on) as month_on
    from kept_months
),

present as (
    select
        cast(date_trunc('month', max(user_segments.as_of)) as date) as month_on,
        max(user_segments.as_of) as as_of,
        max(user_segments.model_version) as model_version
    from {{ ref('user_segments') }} as user_segments
),

-- A month is history once a later one has come. A build that looks back fills in months without
-- rows, and takes none from a build that saw more.
written_month as (
    select
        present.month_on,
        present.as_of,
        present.model_version,
        threshold.min_events
    from present
    cross join {{ ref('segmentation_threshold') }} as threshold
    cross join newest
    left join kept_months on present.month_on = kept_months.month_on
    where
        kept_months.month_on is null
        or (
            kept_months.month_on = newest.month_on
            {% if var('as_of') is not none %}
                and kept_months.as_of <= present.as_of
            {% endif %}
        )
),

earlier as (
    select
        max(kept_months.month_on) as month_on,
        max(written_month.model_version) as present_version
    from kept_months
    inner join written_month on kept_months.month_on < written_month.month_on
),

-- one row, also where no month was before
previous as (
    select
        earlier.month_on,
        kept_months.as_of,
        kept_months.min_events,
        kept_months.model_version,
        coalesce(former.features = latter.features, false) as is_comparable
    from earlier
    left join kept_months on earlier.month_on = kept_months.month_on
    left join {{ ref('segmentation_models') }} as former
        on kept_months.model_version = former.model_version
    left join {{ ref('segmentation_models') }} as latter
        on earlier.present_version = latter.model_version
),

present_users as (
    select
        user_segments.user_key,
        user_segments.identity,
        user_segments.persona,
        user_segments.segment,
        user_segments.model_version,
        features.event_count,
        features.revenue_amount,
        features.last_event_at,
        features.is_robot
    from {{ ref('user_segments') }} as user_segments
    inner join {{ ref('user_features') }} as features
        on user_segments.user_key = features.user_key
    cross join written_month
),

previous_users as (
    select history.*
    from {{ this }} as history
    inner join previous on history.month_on = previous.month_on
    where history.identity is not null
),

-- users who have a segment, or had one in the month before
compared as (
    select
        coalesce(present_users.user_key, previous_users.user_key) as user_key,
        present_users.identity,
        present_users.persona,
        present_users.segment,
        present_users.model_version,
        coalesce(present_users.event_count, 0) as event_count,
        coalesce(present_users.revenue_amount, 0) as revenue_amount,
        present_users.last_event_at,
        present_users.is_robot,
        previous_users.identity as previous_identity,
        previous_users.segment as previous_segment,
        previous_users.model_version as previous_version,
        previous_users.event_count as previous_event_count,
        previous_users.revenue_amount as previous_revenue_amount
    from present_users
    full outer join previous_users on present_users.user_key = previous_users.user_key
    where present_users.identity is not null or previous_users.identity is not null
),

changed as (
    select
        compared.user_key,
        compared.model_version != compared.previous_version as is_of_two_models
    from compared
    cross join previous
    where
        previous.month_on is not null
        and coalesce(compared.identity, '') != coalesce(compared.previous_identity, '')
),

-- What today's data say of the time before. A session that was open at the former as_of may have
-- been counted with some of its events, or not at all.
past as (
    select
        sessions.user_key,
        sum(case when sessions.ended_at <= previous.as_of then sessions.event_count else 0 end)
            as event_count,
        sum(case when sessions.ended_at > previous.as_of then sessions.event_count - 1 else 0 end)
            as open_event_count,
        sum(case when sessions.ended_at <= previous.as_of then sessions.revenue_amount else 0 end)
            as revenue_amount,
        sum(case when sessions.ended_at > previous.as_of then sessions.revenue_amount else 0 end)
            as open_revenue_amount
    from {{ ref('int_sessions') }} as sessions
    inner join changed on sessions.user_key = changed.user_key
    cross join previous
    where sessions.started_at <= previous.as_of
    group by sessions.user_key
),

-- the others have a segment of the same model
users as (
    select features.*
    from {{ ref('user_features') }} as features
    inner join changed on features.user_key = changed.user_key
    where changed.is_of_two_models
),

{{ scored_users('models.model_version in (select previous.model_version from previous)') }},

-- the segment that the former model gives today
rescored as (
    select
        scored.user_key,
        case
            {% for segment in segments %}
                when
                    scored.score_{{ segment }} = greatest(
                        {% for other in segments %}
                            scored.score_{{ other }}{{ ',' if not loop.last }}
                        {% endfor %}
                    )
                    then {{ segment }}
            {% endfor %}
        end as segment
    from scored
),

explained as (
    select
        compared.*,
        previous.month_on as previous_month_on,
        previous.as_of as previous_as_of,
        case
            when compared.previous_identity is null
                then compared.event_count < previous.min_events
            when compared.identity is null
                then not compared.is_robot and compared.event_count >= previous.min_events
            else
                compared.model_version != compared.previous_version
                and (
                    not previous.is_comparable or rescored.segment = compared.previous_segment
                )
        end as is_by_model,
        case
            when compared.previous_identity is null
                then coalesce(past.event_count, 0) >= previous.min_events
            else
                compared.previous_event_count < coalesce(past.event_count, 0)
                or compared.previous_event_count
                > coalesce(past.event_count + past.open_event_count, 0)
                or compared.previous_revenue_amount < coalesce(past.revenue_amount, 0)
                or compared.previous_revenue_amount
                > coalesce(past.revenue_amount + past.open_revenue_amount, 0)
        end as is_by_correction
    from compared
    cross join previous
    left join past on compared.user_key = past.user_key
    left join rescored on compared.user_key = rescored.user_key
),

user_segment_history as (
    select
        explained.user_key,
        written_month.month_on,
        explained.identity,
        explained.persona,
        explained.segment,
        explained.model_version,
        explained.event_count,
        cast(explained.revenue_amount as decimal(18, 2)) as revenue_amount,
        explained.last_event_at,
        explained.previous_month_on,
        explained.previous_identity,
        case
            when explained.previous_month_on is null then 'start'
            when explained.identity = explained.previous_identity then null
            when explained.is_by_model then 'model'
            when explained.is_by_correction then 'correction'
            when explained.last_event_at > explained.previous_as_of then 'behaviour'
            else 'clock'
        end as cause,
        written_month.min_events,
        written_month.as_of
    from explained
    cross join written_month
)

select * from user_segment_history
