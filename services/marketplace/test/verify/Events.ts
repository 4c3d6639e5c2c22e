import type { Plant } from "./Plant.ts"

export const events: ReadonlyArray<Plant> = [
  {
    breaks: "events.sequences-are-gapless",
    how: "an event that is gone from the outbox",
    also: ["events.the-log-is-what-was-told"],
    script: ({ placed }) => `delete from order_service.outbox where stream_key = '${placed.order}' and sequence = 2`
  },
  {
    breaks: "events.sequences-are-gapless",
    how: "a stream without its first event",
    also: ["events.the-log-is-what-was-told"],
    script: ({ placed }) => `delete from payment_service.outbox where stream_key = '${placed.order}' and sequence = 1`
  },
  {
    breaks: "events.aggregates-know-their-last",
    how: "a state that was written without its event",
    script: ({ placed }) => `update order_service.orders set sequence = sequence + 1 where id = '${placed.order}'`
  },
  {
    breaks: "events.aggregates-know-their-last",
    how: "an event of nobody",
    script: () => `
      insert into user_service.outbox (partition, event_id, type, stream_key, sequence, fingerprint, body, published_at)
      values (0, '00000000-0000-7000-8000-000000000004', 'MemberCreated', 'nobody', 1, '', '', now());
      update events.user_head set position = position + 1;
      insert into events.user_log (partition, position, event_id, type, stream_key, sequence, occurred_at, fingerprint, body)
      select 0, position, '00000000-0000-7000-8000-000000000004', 'MemberCreated', 'nobody', 1, now(), '', ''
      from events.user_head`
  },
  {
    breaks: "events.are-published",
    how: "a relay that stopped",
    script: ({ placed }) => `update order_service.outbox set published_at = null
      where stream_key = '${placed.order}' and sequence = 1`
  },
  {
    breaks: "events.published-ones-are-in-the-log",
    how: "a lost event",
    script: ({ waiting }) => `delete from events.order_log where stream_key = '${waiting.order}'`
  },
  {
    breaks: "events.the-log-is-what-was-told",
    how: "an event that was never told",
    script: () => `
      insert into events.user_log (partition, position, event_id, type, stream_key, sequence, occurred_at, fingerprint, body)
      values (0, 1000000, gen_random_uuid(), 'MemberCreated', 'nobody', 1, now(), '', '')`
  },
  {
    breaks: "events.the-log-is-what-was-told",
    how: "an event that became another one on its way",
    script: ({ waiting }) => `update events.order_log set type = 'OrderStatusChanged' where stream_key = '${waiting.order}'`
  },
  {
    breaks: "events.the-log-is-in-order",
    how: "two events that changed places",
    script: ({ placed }) => `
      update events.order_log l set position = - l.position where stream_key = '${placed.order}' and sequence in (1, 2);
      update events.order_log l set position = - other.position
      from events.order_log other where other.stream_key = l.stream_key and l.stream_key = '${placed.order}'
        and (l.sequence, other.sequence) in ((1, 2), (2, 1))`
  },
  {
    breaks: "events.are-consumed",
    how: "a consumer that skipped an event",
    script: ({ placed }) => `delete from order_service.inbox where event_id in (
      select event_id from payment_service.outbox where stream_key = '${placed.order}')`
  },
  {
    breaks: "events.take-effect-once",
    how: "an event that acted twice",
    script: ({ placed }) => `update order_service.outbox set occurred_at = occurred_at + interval '1 second'
      where (stream_key, sequence) = (
        select stream_key, max(sequence) from order_service.outbox where stream_key = '${placed.order}' group by 1)`
  },
  {
    breaks: "events.none-is-put-aside",
    how: "an event that could not be consumed",
    script: ({ placed }) => `
      insert into user_service.parked_stream (consumer, context, stream_key) values ('user', 'order', '${placed.order}');
      insert into user_service.dead_letter
        (consumer, context, stream_key, sequence, event_id, type, occurred_at, fingerprint, body, reason)
      select 'user', 'order', stream_key, sequence, event_id, type, occurred_at, fingerprint, body, 'unreadable'
      from order_service.outbox where stream_key = '${placed.order}' and sequence = 2`
  }
]
