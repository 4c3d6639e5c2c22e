type Say = (line: string) => void

/** Where the embedded marketplace begins, from the repository's root. */
export const entry: string

/**
 * The bundle of the sources as they are, made if it is not there; `undefined` when it cannot be made. Its name tells what it
 * was made of, and it appears when it is complete, so that any number of starts may do this at once.
 */
export const bundled: (options: {
  readonly root: string
  readonly say: Say
  /** Writes the bundle into the file, or throws. */
  readonly build: (file: string) => void
}) => string | undefined

/** What Node is given to run the embedded marketplace: its flags and the file, the bundle or else the sources. */
export const words: (node: string, say: Say) => ReadonlyArray<string>
