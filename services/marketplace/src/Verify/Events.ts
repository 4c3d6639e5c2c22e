import { consumed } from "@marketplace/schema/Topology"
import { contexts, type Invariant, ofEach, values } from "./Invariant.ts"

const outbox = ofEach((context) => `
  select '${context}' as context, position, event_id, type, stream_key, sequence, occurred_at, cause_id, published_at
  from ${context}_service.outbox`)

const deadLetters = ofEach((context) => `
  select consumer, context, stream_key, sequence, event_id, type, reason, parked_at from ${context}_service.dead_letter`)

/** Who has to act on which event. */
const declared = values(contexts.flatMap((consumer) => consumed[consumer].map((type) => [consumer, type])))

/** Of each stream what was told since then, from its first event on: looking later makes no gap. */
const recent = (events: string) => `(
  select * from (
    select e.*, since, min(e.sequence) filter (where e.occurred_at >= since) over (partition by context, stream_key) as first
    from scope, ${events} e) as e
  where sequence >= first)`

/** What counts its events, with the count. */
const aggregates = `(
  select 'user' as context, id::text as stream_key, sequence from user_service.member
  union all select 'product', id::text, sequence from product_service.product
  union all select 'product', variant_id::text, sequence from product_service.stock
  union all select 'order', id::text, sequence from order_service.orders
  union all select 'payment', order_id::text, sequence from payment_service.order_payments)`

export const events: ReadonlyArray<Invariant> = [
  {
    name: "events.sequences-are-gapless",
    says: "The events of a stream are numbered 1, 2, 3 … in the outbox.",
    holds: "always",
    violations: `
      select context, stream_key, min(sequence) as first, max(sequence) as last, count(*) as events from ${recent(outbox)} o
      group by context, stream_key, since
      having max(sequence) - min(sequence) + 1 <> count(*) or (min(sequence) > 1 and since = '-infinity')`
  },
  {
    name: "events.aggregates-know-their-last",
    says: "The sequence that stands with an aggregate is that of its last event in the outbox.",
    holds: "always",
    violations: `
      select context, stream_key, a.sequence, o.last
      from scope, ${aggregates} a
      full join (select context, stream_key, max(sequence) as last from ${outbox} o group by 1, 2) o using (context, stream_key)
      where a.sequence is distinct from coalesce(o.last, 0) and (o.last is not null or since = '-infinity')`
  },
  {
    name: "events.are-published",
    says: "What is in the outbox is published.",
    holds: "eventual",
    violations: `
      select context, event_id, type, stream_key, sequence, occurred_at from scope, ${outbox} o
      where published_at is null and occurred_at < settled`
  },
  {
    name: "events.documents-are-published",
    says: "What waits in a document of the catalogue is published.",
    holds: "eventual",
    reads: ["catalogue"],
    violations: "select distinct product_id, waiting_since from scope, catalogue where waiting_since < settled"
  },
  {
    name: "events.published-ones-are-in-the-log",
    says: "What is marked as published is in the log.",
    holds: "always",
    reads: ["log"],
    violations: `
      select o.context, o.event_id, o.type, o.stream_key, o.sequence, o.published_at
      from scope, ${outbox} o left join log l on l.event_id = o.event_id and l.context = o.context
      where o.published_at is not null and o.occurred_at >= since and l.event_id is null`
  },
  {
    name: "events.the-log-is-what-was-told",
    says: "What is in the log is in the outbox, as it is there.",
    holds: "eventual",
    reads: ["log"],
    violations: `
      select l.context, l.event_id, l.type, l.stream_key, l.sequence, l.occurred_at
      from scope, log l left join ${outbox} o on o.event_id = l.event_id and o.context = l.context
      where l.occurred_at >= since and l.occurred_at < settled
        and (o.type, o.stream_key, o.sequence) is distinct from (l.type, l.stream_key, l.sequence)`
  },
  {
    name: "events.the-log-is-in-order",
    says: "In the log every event of a stream follows the one before it.",
    holds: "always",
    reads: ["log"],
    violations: `
      select * from (
        select context, stream_key, event_id, type, sequence, since,
          lag(sequence) over (partition by context, stream_key order by position) as before
        from ${recent("log")} l) as l
      where sequence is distinct from coalesce(before + 1, case when since = '-infinity' then 1 else sequence end)`
  },
  {
    name: "events.are-consumed",
    says: "Whoever has to act on an event has acted on it, or has put it aside.",
    holds: "eventual",
    violations: `
      select d.consumer, o.context, o.event_id, o.type, o.stream_key, o.sequence, o.published_at
      from scope, ${outbox} o join ${declared} d (consumer, type) on d.type = o.type
      left join ${ofEach((context) => `select consumer, event_id from ${context}_service.inbox`)} i
        on i.consumer = d.consumer and i.event_id = o.event_id
      left join ${deadLetters} p on p.consumer = d.consumer and p.event_id = o.event_id
      where o.published_at < settled and o.occurred_at >= since and i.event_id is null and p.event_id is null`
  },
  {
    name: "events.take-effect-once",
    says: "What an event made a service tell was told at once: no event has acted twice.",
    holds: "always",
    violations: `
      select context, cause_id, count(distinct occurred_at) as times, jsonb_agg(distinct type) as types from scope, ${outbox} o
      where cause_id is not null and occurred_at >= since group by context, cause_id having count(distinct occurred_at) > 1`
  },
  {
    name: "events.none-is-put-aside",
    says: "No event waits for a person because it could not be consumed.",
    holds: "eventual",
    violations: `select * from scope, ${deadLetters} d where parked_at < settled`
  }
]
