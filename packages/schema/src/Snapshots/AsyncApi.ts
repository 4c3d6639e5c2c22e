import { Struct } from "effect"
import { consumed, type EventContext, type EventName, external } from "../Topology.ts"
import { type EventContract, eventContracts } from "./EventContracts.ts"

const contexts = Struct.keys(consumed)

const topicOf = (context: EventContext) => `${context}.events`

const of = (context: EventContext) => eventContracts().filter((event) => event.context === context)

const ref = ($ref: string) => ({ $ref })

const inChannel = ({ context, name }: EventContract) => ref(`#/channels/${topicOf(context)}/messages/${name}`)

/** Who acts on an event. */
const readersOf = (name: EventName) => contexts.filter((service) => new Set<EventName>(consumed[service]).has(name))

const text = (description: string, more: object = {}) => ({ type: "string", description, ...more })

/** CloudEvents 1.0 in Kafka's binary mode, and what the platform adds. */
const headers = {
  type: "object",
  required: ["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "ce_subject", "ce_sequence"],
  properties: {
    ce_specversion: { type: "string", const: "1.0" },
    ce_id: text("Names the event; delivered again, it has the same", { format: "uuid" }),
    ce_type: text("The event's name; skip what you do not know by it, before decoding"),
    ce_source: text("The context that tells it, as /marketplace/order"),
    ce_time: text("When it was written, together with the state that it tells about", { format: "date-time" }),
    ce_subject: text("The stream; events of one stream come in the order of their sequence"),
    ce_sequence: text("1, 2, 3 … within the stream, without a gap", { pattern: "^[1-9][0-9]*$" }),
    ce_causeid: text("The event that made the publisher act, if one did", { format: "uuid" }),
    traceparent: text("W3C trace context, to be continued")
  }
}

const channel = (context: EventContext) => ({
  address: topicOf(context),
  title: `What ${context} tells`,
  messages: Object.fromEntries(of(context).map(({ name }) => [name, ref(`#/components/messages/${name}`)])),
  bindings: { kafka: { topic: topicOf(context), bindingVersion: "0.5.0" } }
})

const messageOf = ({ avro, context, key, name }: EventContract) => {
  const isExternal = external.includes(name)
  return {
    name,
    title: name,
    summary: isExternal ? "For others: no service of the platform acts on it" : `Acted on by ${readersOf(name).join(" and ")}`,
    contentType: "application/vnd.apache.avro",
    tags: [{ name: context }],
    headers: ref("#/components/schemas/headers"),
    payload: { schemaFormat: "application/vnd.apache.avro+json;version=1.9.0", schema: avro },
    bindings: {
      kafka: {
        key: { type: "string", format: "uuid", description: `${key}, which is also ce_subject` },
        schemaIdLocation: "payload",
        schemaIdPayloadEncoding: "confluent",
        bindingVersion: "0.5.0"
      }
    }
  }
}

const sending = (context: EventContext) => ({
  action: "send",
  channel: ref(`#/channels/${topicOf(context)}`),
  summary: `${context} tells what happened`,
  tags: [{ name: context }],
  messages: of(context).map(inChannel)
})

const receiving = (service: EventContext, context: EventContext) => {
  const heard = of(context).filter(({ name }) => readersOf(name).includes(service))
  return heard.length === 0 ? [] : [[`${service}.receive.${context}`, {
    action: "receive",
    channel: ref(`#/channels/${topicOf(context)}`),
    summary: `${service} acts on what ${context} tells`,
    tags: [{ name: service }],
    messages: heard.map(inChannel)
  }] as const]
}

/** The AsyncAPI 3.1 document of all events, from the topology and the Avro schemas. */
export const asyncApi = () => ({
  asyncapi: "3.1.0",
  info: {
    title: "Marketplace events",
    version: "1.0.0",
    description: [
      "What the contexts tell each other. Delivered at least once: recognise a repetition by `ce_id`. The value is Avro in",
      "Confluent's wire format; every version of a schema reads every other one (FULL_TRANSITIVE). On the embedded profile",
      "the same events lie in a log in PostgreSQL, with the same attributes as columns."
    ].join(" ")
  },
  defaultContentType: "application/vnd.apache.avro",
  channels: Object.fromEntries(contexts.map((context) => [topicOf(context), channel(context)])),
  operations: Object.fromEntries([
    ...contexts.map((context) => [`${context}.send`, sending(context)] as const),
    ...contexts.flatMap((service) => contexts.flatMap((context) => receiving(service, context)))
  ]),
  components: {
    schemas: { headers },
    messages: Object.fromEntries(eventContracts().map((event) => [event.name, messageOf(event)]))
  }
})
