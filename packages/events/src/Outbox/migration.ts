import type { Migration } from "@marketplace/postgres/Migrations"

/** Over which a service's streams are spread, to be shared by its relays. The migration has written it down. */
export const partitions = 8

/** First of every service that tells or consumes events. Times are the database's. */
export const migration: Migration = {
  id: "0000_events",
  sql: `
    create table outbox (
      -- within a stream in the order of its sequence, since both are taken under the aggregate's lock; across streams
      -- positions become visible in any order, so nobody may read on from one
      position bigint generated always as identity,
      partition smallint not null,
      event_id uuid not null,
      type text not null,
      stream_key text collate "C" not null,
      sequence int not null check (sequence > 0),
      occurred_at timestamptz not null default now(),
      traceparent text,
      cause_id uuid,
      fingerprint text not null,
      body bytea not null,
      published_at timestamptz,
      -- a second writer that read the same last sequence without the lock fails here
      primary key (stream_key, sequence)
    );
    create index outbox_pending on outbox (position) where published_at is null;
    create index outbox_published on outbox using brin (published_at);

    -- the schemas that ever wrote a body of the outbox: the relay that publishes it may be of another version
    create table event_schema (
      fingerprint text primary key,
      avro text not null
    );

    -- who publishes which streams
    create table relay_partition (
      partition smallint primary key,
      owner uuid,
      epoch bigint not null default 0,
      until timestamptz not null default '-infinity'
    ) with (fillfactor = 50);
    insert into relay_partition (partition) select generate_series(0, ${partitions - 1});

    -- what took effect, or was parked
    create table inbox (
      consumer text not null,
      event_id uuid not null,
      consumed_at timestamptz not null default now(),
      primary key (consumer, event_id)
    );
    create index inbox_consumed on inbox using brin (consumed_at);

    -- a stream with a row here has an event that could not be consumed: all that follow wait behind it
    create table parked_stream (
      consumer text not null,
      context text not null,
      stream_key text not null,
      parked_at timestamptz not null default now(),
      primary key (consumer, context, stream_key)
    );

    create table dead_letter (
      consumer text not null,
      context text not null,
      stream_key text not null,
      sequence int not null,
      event_id uuid not null,
      type text not null,
      occurred_at timestamptz not null,
      traceparent text,
      cause_id uuid,
      fingerprint text not null,
      -- null if it was not known
      avro text,
      body bytea not null,
      -- what is wrong with it; null for one that waits behind another
      reason text,
      parked_at timestamptz not null default now(),
      primary key (consumer, context, stream_key, sequence, event_id),
      foreign key (consumer, context, stream_key) references parked_stream
    );
  `
}

/** Without rows that have no date: else a planner that expects few looks for what waits by this index, in the whole table. */
export const publishedIndex: Migration = {
  id: "0004_outbox_published",
  sql: `
    drop index outbox_published;
    create index outbox_published on outbox using brin (published_at) where published_at is not null`
}
