// The image's health check: status 0 while the service says that it is ready for work.
const url = `http://127.0.0.1:${process.env.PORT}/health/ready`
const ready = await fetch(url, { signal: AbortSignal.timeout(4000) }).then((reply) => reply.ok, () => false)
process.exit(ready ? 0 : 1)
