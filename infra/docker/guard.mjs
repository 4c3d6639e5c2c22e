// Loaded before a service in its image: secrets that were made for development (infra/docker/env.ts) do not start it in
// production, which it is unless DEPLOYMENT says otherwise.
const mark = "development-only"

if (process.env.DEPLOYMENT !== "development") {
  const names = Object.keys(process.env).filter((name) => process.env[name]?.includes(mark))
  if (names.length > 0) {
    console.error(`refusing to start: ${names.sort().join(", ")} ${names.length === 1 ? "was" : "were"} made for development; ` +
      "set secrets of your own, or DEPLOYMENT=development if this is no production")
    process.exit(78)
  }
}
