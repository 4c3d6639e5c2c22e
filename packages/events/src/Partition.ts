/**
 * Which of `count` partitions a stream belongs to (FNV-1a). Stored rows and the order of delivery go by it: neither the
 * function nor a count may change while there are rows.
 */
export const partitionOf = (streamKey: string, count: number): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < streamKey.length; i++) hash = Math.imul(hash ^ streamKey.charCodeAt(i), 0x01000193)
  return (hash >>> 0) % count
}
