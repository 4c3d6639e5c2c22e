import { Config, Context, Effect, Layer, Redacted, Schema } from "effect"
import { createHmac, timingSafeEqual } from "node:crypto"

/** The cursor was not given out by this list as it is asked for now: forged, cut, of another list or of other filters. */
export class CursorRefused extends Schema.TaggedError<CursorRefused>()("CursorRefused", {}) {}

export interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly nextCursor: string | null
}

/**
 * Cursors of lists: opaque to callers, signed, and bound to their list. `list` names it with everything that selects or
 * orders its items (`orders/<member>/<filter>`), so that a cursor does not fit once one of these has changed.
 */
export class Cursor extends Context.Service<Cursor, {
  readonly encode: (list: string, position: string) => string
  /** @param position how a position is read back, usually the id of the last item */
  readonly decode: <A>(list: string, position: Schema.Codec<A, string>, cursor: string) => Effect.Effect<A, CursorRefused>
  /**
   * A page of items that continue by id.
   * @param fetched at most one more than `limit`, which tells that there is a next page and is not shown
   */
  readonly page: <A extends { readonly id: string }>(
    list: string,
    fetched: ReadonlyArray<A>,
    limit: number
  ) => Effect.Effect<Page<A>>
}>()("@marketplace/service/Cursor") {
  /** @param key at least 32 random bytes, the same for all replicas; a new one voids the cursors that are out */
  static readonly layer = (key: Redacted.Redacted<string>) =>
    Layer.sync(Cursor, () => {
      const signatureOf = (list: string, position: string) =>
        createHmac("sha256", Redacted.value(key)).update(JSON.stringify([list, position])).digest().subarray(0, signatureBytes)

      const encode = (list: string, position: string) =>
        Buffer.concat([signatureOf(list, position), Buffer.from(position)]).toString("base64url")

      const decode = Effect.fnUntraced(function*<A>(list: string, schema: Schema.Codec<A, string>, cursor: string) {
        const bytes = Buffer.from(cursor, "base64url")
        const position = bytes.subarray(signatureBytes).toString()
        const signature = bytes.subarray(0, signatureBytes)
        if (signature.length < signatureBytes || !timingSafeEqual(signature, signatureOf(list, position))) {
          return yield* new CursorRefused({})
        }
        return yield* Effect.catch(Schema.decodeEffect(schema)(position), () => new CursorRefused({}))
      })

      return Cursor.of({
        encode,
        decode,
        page: (list, fetched, limit) =>
          Effect.sync(() => {
            const items = fetched.slice(0, limit)
            const last = items.at(-1)
            return { items, nextCursor: fetched.length > limit && last !== undefined ? encode(list, last.id) : null }
          })
      })
    })

  /** From `CURSOR_KEY`. */
  static readonly layerConfig = Layer.unwrap(Effect.map(Config.Redacted("CURSOR_KEY"), Cursor.layer))
}

/** 128 bits cannot be guessed. */
const signatureBytes = 16
