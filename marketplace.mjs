// The launcher: `node marketplace.mjs <goal> …`. Runs on any Node from 20 up and does all set-up itself.
await import("./infra/toolchain/run.mjs")
