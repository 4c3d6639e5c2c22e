/** Most values at once, and most bytes of them and their keys. */
export interface Bounds {
  readonly values: number
  readonly bytes: number
}

interface Entry<A> {
  readonly value: A
  readonly bytes: number
  /** When it became the newest: by count, not by clock. */
  moved: number
}

/** Values by key, within bounds: whatever was asked for longest ago goes first. The newest quarter counts as equally new. */
export interface LeastRecentlyUsed<A> {
  readonly get: (key: string) => A | undefined
  /** A value that is larger than all the room is not kept. */
  readonly set: (key: string, value: A, bytes: number) => void
  readonly delete: (key: string) => void
}

export const make = <A>(bounds: Bounds): LeastRecentlyUsed<A> => {
  // In the order of their use: a map gives its keys as they were set.
  const entries = new Map<string, Entry<A>>()
  let total = 0
  let moves = 0

  const remove = (key: string) => {
    const entry = entries.get(key)
    if (entry === undefined) return
    entries.delete(key)
    total -= entry.bytes
  }

  return {
    get: (key) => {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      // Not each time: V8 looks for a key at all places that it has left, thousands for one that everybody asks for.
      if (moves - entry.moved > entries.size / 4) {
        entries.delete(key)
        entries.set(key, entry)
        entry.moved = ++moves
      }
      return entry.value
    },
    set: (key, value, ownBytes) => {
      remove(key)
      const bytes = ownBytes + key.length
      if (bytes > bounds.bytes) return
      entries.set(key, { value, bytes, moved: ++moves })
      total += bytes
      for (const oldest of entries.keys()) {
        if (entries.size <= bounds.values && total <= bounds.bytes) break
        remove(oldest)
      }
    },
    delete: remove
  }
}
