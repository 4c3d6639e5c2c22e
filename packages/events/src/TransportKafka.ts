import { Effect, Layer, Semaphore } from "effect"
import { FetchHttpClient } from "effect/http"
import { Kafka, type KafkaMessage, logLevel, Partitioners, type Producer } from "kafkajs"
import type { EventContext, EventName } from "@marketplace/schema/Topology"
import * as Codecs from "./Codecs.ts"
import type { Envelope } from "./Envelope.ts"
import { EventTransport, TransportUnavailable } from "./EventTransport.ts"
import { persist } from "./Persistence.ts"
import { SchemaRegistry } from "./SchemaRegistry.ts"
import { attempt } from "./TransportKafka/Attempt.ts"
import * as Group from "./TransportKafka/Group.ts"
import { toLogger } from "./TransportKafka/Logs.ts"
import * as Record from "./TransportKafka/Record.ts"
import { connection, settings } from "./TransportKafka/Settings.ts"
import * as Topics from "./TransportKafka/Topics.ts"

const layer = Layer.effect(EventTransport, Effect.gen(function*() {
  const registry = yield* SchemaRegistry
  const chosen = yield* settings
  const kafka = new Kafka({ ...connection(chosen), logLevel: logLevel.INFO, logCreator: yield* toLogger })
  const topics = Topics.make(kafka, chosen)

  const disconnect = (producer: Producer) =>
    Effect.ignore(Effect.timeout(attempt("disconnecting", () => producer.disconnect()), "5 seconds"))
  let connected: Producer | undefined
  yield* Effect.addFinalizer(() => connected === undefined ? Effect.void : disconnect(connected))

  const one = yield* Semaphore.make(1)
  const connect = one.withPermit(Effect.gen(function*() {
    if (connected !== undefined) return connected
    const producer = kafka.producer({
      createPartitioner: Partitioners.DefaultPartitioner,
      allowAutoTopicCreation: false,
      maxInFlightRequests: 1
    })
    yield* attempt("connecting", () => producer.connect())
    connected = producer
    return producer
  }))

  /** The registry's number of the schema that wrote the event. */
  const schemaId = ({ context, fingerprint, type }: Envelope) => {
    const avro = Codecs.writerOf(fingerprint)
    return avro === undefined
      ? new TransportUnavailable({ detail: `The schema ${fingerprint} of ${type} is not known here`, cause: undefined })
      : registry.idOf(`marketplace.${context}.${type}`, avro)
  }

  const publish = Effect.fn("EventTransport.publish")(function*(context: EventContext, events: ReadonlyArray<Envelope>) {
    if (events.length === 0) return
    const messages = yield* Effect.forEach(events, (event) => Effect.map(schemaId(event), (id) => Record.toMessage(event, id)))
    yield* topics([context])
    const producer = yield* connect
    yield* attempt("sending", () => producer.send({ topic: Topics.topicOf(chosen, context), acks: -1, messages })).pipe(
      // Whatever is wrong with it, the next attempt begins with a new one.
      Effect.tapError(() => {
        connected = undefined
        return Effect.forkDetach(disconnect(producer))
      })
    )
  })

  /** Waits for the registry. What it does not know, or what is not framed, keeps a fingerprint that nobody knows. */
  const fingerprintOf = (schemaId: number) =>
    registry.schemaOf(schemaId).pipe(
      Effect.map((avro) => (avro === undefined ? undefined : Codecs.learn(avro)) ?? `registry:${schemaId}`),
      persist(`Reading the schema ${schemaId}`)
    )

  const toEnvelope = Effect.fnUntraced(function*(context: EventContext, type: EventName, message: KafkaMessage) {
    const framed = Record.unframe(message.value)
    return Record.toEnvelope(message, {
      context,
      type,
      fingerprint: framed === undefined ? "unframed" : yield* fingerprintOf(framed.schemaId),
      body: framed?.body ?? new Uint8Array(message.value ?? [])
    })
  })

  return EventTransport.of({
    publish,
    subscribe: (subscription) =>
      topics(subscription.contexts).pipe(
        Effect.andThen(Effect.scoped(Group.join(kafka, chosen, subscription, toEnvelope))),
        persist(`${subscription.consumer}: consuming from Kafka`)
      )
  })
}))

/** Events through Kafka and a schema registry. From `TransportKafka/Settings.ts` and `SchemaRegistry.layerConfig`. */
export const layerKafka = layer.pipe(Layer.provide(SchemaRegistry.layerConfig), Layer.provide(FetchHttpClient.layer))
