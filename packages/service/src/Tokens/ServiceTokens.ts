import { Clock, Config, Context, Duration, Effect, Layer, Redacted, Schema } from "effect"
import { ServiceName, ServiceRefused } from "@marketplace/schema/Access"
import { type Kind, sign, verifier } from "./Jwt.ts"
import { generateKeys, importKeys, InvalidKey, JwkSet, readSigningKey } from "./Keys.ts"

const serviceToken: Kind = { typ: "service+jwt", lifetime: Duration.seconds(60) }

/** Milliseconds for which one token serves all calls to a callee: its last ten seconds are left for calls under way. */
const useful = Duration.toMillis(serviceToken.lifetime) - 10_000

interface Options {
  readonly name: ServiceName
  /** Ed25519 in PKCS#8 PEM. */
  readonly privatePem: Redacted.Redacted
  /**
   * The public keys of all services. A key's `kid` is the name of its service; while a key is being changed there are two,
   * and one has something behind a slash: `order` and `order/2`.
   */
  readonly keySet: JwkSet
}

/**
 * With which a service proves to another that it is calling. Each has a key of its own and signs as itself alone; on whose
 * behalf it calls is part of the procedure.
 */
export class ServiceTokens extends Context.Service<ServiceTokens, {
  readonly issue: (callee: ServiceName) => Effect.Effect<Redacted.Redacted>
  /** Who calls, if the token is meant for this callee. */
  readonly verify: (token: Redacted.Redacted, callee: ServiceName) => Effect.Effect<ServiceName, ServiceRefused>
}>()("@marketplace/service/ServiceTokens") {
  /** @param options with the name to sign as */
  static readonly layer = (options: Options) => Layer.effect(ServiceTokens, make(options))

  /** From `SERVICE_PRIVATE_KEY` (PKCS#8 PEM) and `SERVICE_JWKS`. */
  static readonly layerConfig = (name: ServiceName) =>
    Layer.unwrap(Effect.gen(function*() {
      const privatePem = yield* Config.Redacted("SERVICE_PRIVATE_KEY")
      const keySet = yield* Config.schema(Schema.fromJsonString(JwkSet), "SERVICE_JWKS")
      return ServiceTokens.layer({ name, privatePem, keySet })
    }))
}

/** A new key for each service, for all of them on one machine. */
export const layersGenerated = Effect.gen(function*() {
  const pairs = yield* Effect.all({
    user: generateKeys,
    product: generateKeys,
    order: generateKeys,
    payment: generateKeys,
    gateway: generateKeys
  })
  const keySet: JwkSet = { keys: ServiceName.literals.map((name) => ({ ...pairs[name].publicJwk, kid: name })) }
  return (name: ServiceName) => ServiceTokens.layer({ name, privatePem: pairs[name].privatePem, keySet })
})

const ownerOf = (kid: string) => kid.split("/")[0]

const make = Effect.fnUntraced(function*({ keySet, name, privatePem }: Options) {
  const { privateKey, publicJwk } = yield* readSigningKey("SERVICE_PRIVATE_KEY", privatePem)
  const keys = yield* importKeys(keySet)
  // Otherwise nobody would believe this service, which would show only at its first call.
  const own = keySet.keys.find(({ kid, x }) => x === publicJwk.x && ownerOf(kid) === name)
  if (own === undefined) {
    return yield* new InvalidKey({ detail: `SERVICE_JWKS has no key of ${name} that fits SERVICE_PRIVATE_KEY` })
  }
  const verifierFor = (audience: ServiceName) =>
    verifier({ ...serviceToken, audience, claims: ["sub"] }, (kid) => Effect.succeed(keys.get(kid)))
  const verify = {
    user: verifierFor("user"),
    product: verifierFor("product"),
    order: verifierFor("order"),
    payment: verifierFor("payment"),
    gateway: verifierFor("gateway")
  }
  const issued = new Map<ServiceName, { readonly token: Redacted.Redacted; readonly at: number }>()

  return ServiceTokens.of({
    issue: Effect.fnUntraced(function*(callee) {
      const now = yield* Clock.currentTimeMillis
      const known = issued.get(callee)
      // A clock that was set back makes a token of the future, which nobody takes: it is not kept until then.
      if (known !== undefined && now >= known.at && now < known.at + useful) return known.token
      const token = Redacted.make(yield* sign(serviceToken, { sub: name, aud: callee }, { kid: own.kid, privateKey }))
      issued.set(callee, { token, at: now })
      return token
    }),
    verify: Effect.fnUntraced(function*(token, callee) {
      const { kid, payload } = yield* verify[callee](token)
      const caller = yield* Schema.decodeUnknownEffect(ServiceName)(payload.sub)
      if (ownerOf(kid) !== caller) return yield* new ServiceRefused({ reason: "signed with the key of another service" })
      return caller
    }, Effect.catchTags({
      TokenRefused: ({ reason }) => new ServiceRefused({ reason }),
      SchemaError: () => new ServiceRefused({ reason: "sub is no service" })
    }))
  })
})
