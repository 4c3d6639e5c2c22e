/**
 * Every name under which the platform tells something about itself. What OpenTelemetry's semantic conventions name is called
 * that way; the rest lives under `marketplace.*`. Values are ids and codes, never personal data.
 */

/** Who tells it. */
export const Service = {
  name: "service.name",
  version: "service.version",
  instanceId: "service.instance.id"
} as const

/** A request, at the server and at the client. */
export const Http = {
  method: "http.request.method",
  /** The template (`/orders/:id`), not the path. */
  route: "http.route",
  status: "http.response.status_code"
} as const

/** A call from one service to another. */
export const Rpc = {
  system: "rpc.system.name",
  service: "rpc.service",
  method: "rpc.method"
} as const

/** An event that is published or consumed. */
export const Messaging = {
  /** `kafka`, or `postgresql` for the log of the embedded profile. */
  system: "messaging.system",
  /** The topic: `order.events`. */
  destination: "messaging.destination.name",
  partition: "messaging.destination.partition.id",
  /** `send`, `receive`, `process` or `settle`. */
  operation: "messaging.operation.type",
  messageId: "messaging.message.id",
  consumerGroup: "messaging.consumer.group.name",
  batchSize: "messaging.batch.message_count"
} as const

/** A query. */
export const Database = {
  system: "db.system.name",
  namespace: "db.namespace",
  operation: "db.operation.name",
  collection: "db.collection.name"
} as const

/** Why something failed: the error's tag or the status, of which there are few. */
export const Error = { type: "error.type" } as const

/** What a span or a log line is about. */
export const Subject = {
  memberId: "marketplace.member.id",
  enterpriseId: "marketplace.enterprise.id",
  productId: "marketplace.product.id",
  variantId: "marketplace.variant.id",
  orderId: "marketplace.order.id",
  paymentId: "marketplace.payment.id",
  refundId: "marketplace.refund.id"
} as const

/** An event of the platform, beside what `Messaging` says. */
export const Event = {
  id: "marketplace.event.id",
  type: "marketplace.event.type",
  streamKey: "marketplace.event.stream_key",
  sequence: "marketplace.event.sequence",
  causeId: "marketplace.event.cause.id",
  consumer: "marketplace.consumer",
  outcome: "marketplace.outcome"
} as const

/** Work in the background. */
export const Loop = {
  name: "marketplace.loop",
  batchSize: "marketplace.batch.size"
} as const

/** Metrics; `Metrics.ts` says what each one counts. */
export const Metric = {
  outboxPending: "outbox_pending",
  outboxPublished: "outbox_published_total",
  relayRound: "relay_round_seconds",
  eventAge: "event_age_seconds",
  consumerEvents: "consumer_events_total",
  consumerLag: "consumer_lag",
  deadLetters: "dead_letters",
  sweeperClaimed: "sweeper_claimed_total",
  loopLastSuccess: "loop_last_success_timestamp_seconds",
  idempotencyReplays: "idempotency_replays_total",
  sharedCacheRequests: "shared_cache_requests_total",
  httpServer: "http_server_request_seconds",
  rpcClient: "rpc_client_seconds"
} as const

/** Labels of metrics. Each has few values: no ids. */
export const Label = {
  /** Whose it is, where one process is several services. */
  service: "service",
  context: "context",
  consumer: "consumer",
  type: "type",
  outcome: "outcome",
  sweeper: "sweeper",
  loop: "loop",
  operation: "operation",
  /** The service that is called; `service` is who calls. */
  target: "target",
  method: "method",
  route: "route",
  status: "status"
} as const
