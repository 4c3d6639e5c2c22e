import avsc from "avsc"
import type { AvroSchema } from "./AvroSchema.ts"

/** avsc's cursor over a buffer. Writing past the end only moves it: avsc then allocates what is missing and writes again. */
interface Cursor {
  readonly buf: Uint8Array
  pos: number
  readonly readLong: () => number
  readonly skipLong: () => void
  readonly writeLong: (value: number) => void
  readonly readString: () => string
  readonly writeString: (text: string) => void
}

/** What every type of avsc has, and its declarations do not tell. */
interface Compiled {
  readonly _read: (cursor: Cursor) => unknown
  readonly _write: (cursor: Cursor, value: unknown) => void
}

export type BinaryType = avsc.Type

/**
 * Turns a schema into avsc's binary type, with some of avsc's types replaced because they change or trust data silently:
 * longs lose precision, malformed text is written as replacement characters, a corrupt number of items is believed (which
 * hangs the reader), the key `__proto__` is lost, and a union cannot hold a bigint.
 *
 * avsc compiles records into code that calls `_read`, `_write` and `_skip` of the field types. These names are avsc's own, so
 * its version is pinned, and the tests hold the bytes against an unchanged avsc.
 *
 * @throws Error when it is no valid Avro schema
 */
export const binaryType = (schema: AvroSchema): BinaryType =>
  avsc.Type.forSchema(JSON.parse(JSON.stringify(schema)), { typeHook })

type Hook = NonNullable<avsc.ForSchemaOptions["typeHook"]>

/** avsc asks again with `{ type: "long" }` for `"long"`. */
const typeHook: Hook = (schema, options) => {
  if (Array.isArray(schema)) return schema.length === 2 && schema[0] === "null" ? new Nullable(schema, options) : undefined
  if (typeof schema !== "object" || !("type" in schema)) return undefined
  switch (schema.type) {
    case "long":
      return long
    case "string":
      return text
    case "array":
      return new Items(schema, options)
    case "map":
      return new Entries(schema, options)
    default:
      return undefined
  }
}

/** From here on doubling a number, as zigzag does, loses its last bit. */
const exact = 2 ** 52

/**
 * Reads and writes all of int64: a safe integer is a number, anything beyond is a bigint. avsc's own long is off by one for odd
 * numbers below -2^52, and refuses `Number.MAX_SAFE_INTEGER`.
 */
class Long extends avsc.types.LongType {
  _read(cursor: Cursor): number | bigint {
    const start = cursor.pos
    let zigzag = 0
    let scale = 1
    for (let index = 0; index < 7; index++) {
      const byte = byteAt(cursor)
      zigzag += (byte & 0x7f) * scale
      if (byte < 0x80) return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2
      scale *= 128
    }
    cursor.pos = start
    return readBig(cursor)
  }

  _write(cursor: Cursor, value: unknown): void {
    if (!isLong(value)) throw new Error(`not a whole number of 64 bits: ${String(value)}`)
    if (typeof value === "bigint" || value >= exact || value <= -exact) return writeBig(cursor, BigInt(value))
    let zigzag = value >= 0 ? value * 2 : value * -2 - 1
    for (; zigzag > 0x7f; zigzag = Math.floor(zigzag / 128)) cursor.buf[cursor.pos++] = zigzag & 0x7f | 0x80
    cursor.buf[cursor.pos++] = zigzag
  }

  _check(value: unknown, _: unknown, invalid?: (value: unknown, type: avsc.Type) => void): boolean {
    const valid = isLong(value)
    if (!valid) invalid?.(value, this)
    return valid
  }
}

const isLong = (value: unknown): value is number | bigint =>
  Number.isSafeInteger(value) || typeof value === "bigint" && BigInt.asIntN(64, value) === value

const byteAt = (cursor: Cursor): number => {
  const byte = cursor.buf[cursor.pos++]
  if (byte === undefined) throw new Error("the bytes end inside a number")
  return byte
}

const readBig = (cursor: Cursor): number | bigint => {
  let zigzag = 0n
  for (let index = 0n; index < 10n; index++) {
    const byte = byteAt(cursor)
    zigzag |= BigInt(byte & 0x7f) << index * 7n
    if (byte < 0x80) {
      const value = BigInt.asIntN(64, zigzag >> 1n ^ -(zigzag & 1n))
      return Number.isSafeInteger(Number(value)) ? Number(value) : value
    }
  }
  throw new Error("a number is longer than 64 bits")
}

const writeBig = (cursor: Cursor, value: bigint): void => {
  let zigzag = BigInt.asUintN(64, value << 1n ^ value >> 63n)
  for (; zigzag > 0x7fn; zigzag >>= 7n) cursor.buf[cursor.pos++] = Number(zigzag & 0x7fn) | 0x80
  cursor.buf[cursor.pos++] = Number(zigzag)
}

/** Half of a surrogate pair has no UTF-8 form; written anyway, it would come back as something else. */
class Text extends avsc.types.StringType {
  _write(cursor: Cursor, value: unknown): void {
    if (typeof value !== "string" || !value.isWellFormed()) throw new Error(`not well-formed text: ${JSON.stringify(value)}`)
    cursor.writeString(value)
  }
}

/** `["null", T]`: avsc looks for the branch by the value's JavaScript type, and knows none for a bigint. */
class Nullable extends avsc.types.UnwrappedUnionType {
  _getIndex(value: unknown): number {
    return value === null ? 0 : 1
  }
}

/**
 * How many items the next block holds, 0 at the end. No item is shorter than a byte (`derive` refuses structs without fields),
 * so more items than bytes left are a lie.
 */
const blockSize = (cursor: Cursor): number => {
  let count = cursor.readLong()
  if (count < 0) {
    count = -count
    cursor.skipLong()
  }
  if (count > cursor.buf.length - cursor.pos) throw new Error(`the bytes end before ${count} items`)
  return count
}

class Items extends avsc.types.ArrayType {
  /** Declared by avsc; a resolver that borrows `_read` has its own. */
  declare readonly itemsType: avsc.Type & Compiled

  _read(cursor: Cursor): ReadonlyArray<unknown> {
    const items: Array<unknown> = []
    for (let count = blockSize(cursor); count !== 0; count = blockSize(cursor)) {
      while (count-- > 0) items.push(this.itemsType._read(cursor))
    }
    return items
  }

  _skip(cursor: Cursor): void {
    this._read(cursor)
  }
}

class Entries extends avsc.types.MapType {
  /** Declared by avsc; a resolver that borrows `_read` has its own. */
  declare readonly valuesType: avsc.Type & Compiled

  _read(cursor: Cursor): { readonly [key: string]: unknown } {
    const entries: Array<readonly [string, unknown]> = []
    for (let count = blockSize(cursor); count !== 0; count = blockSize(cursor)) {
      while (count-- > 0) entries.push([cursor.readString(), this.valuesType._read(cursor)])
    }
    return Object.fromEntries(entries)
  }

  _write(cursor: Cursor, value: unknown): void {
    const entries = Object.entries(Object(value))
    if (entries.length > 0) cursor.writeLong(entries.length)
    for (const [key, item] of entries) {
      text._write(cursor, key)
      this.valuesType._write(cursor, item)
    }
    cursor.writeLong(0)
  }

  _skip(cursor: Cursor): void {
    this._read(cursor)
  }
}

const long = new Long()
const text = new Text()
