import { assert, describe, it } from "@effect/vitest"
import * as Compose from "../check/compose.ts"
import * as Dockerfile from "../check/dockerfile.ts"
import * as Observability from "../check/observability.ts"
import * as Workflows from "../check/workflows.ts"
import { files, withChange, withFile } from "./repository.ts"

const compose = "docker-compose.yml"
const dockerfile = "infra/docker/Dockerfile"
const collector = "infra/observability/collector.yaml"
const dashboard = "infra/observability/grafana/dashboards/marketplace.json"
const workflow = ".github/workflows/ci.yml"

describe("the compose file", () => {
  const before = new Set(Compose.check(files).problems)

  it.for([
    ["a key that the specification does not know", compose, "    shm_size: 256m", "    shm_sizes: 256m", /shm_sizes/],
    ["a variable that is missing", compose, "      TOKEN_PRIVATE_KEY:", "      TOKEN_KEY:", /user: TOKEN_PRIVATE_KEY is not set/],
    ["a variable that nobody reads", compose, "      TOKEN_PRIVATE_KEY:", "      TOKEN_KEY:", /user: TOKEN_KEY is set, and nothing/],
    ["what the image no longer sets", dockerfile, " PORT=8080", "", /order: PORT is not set/],
    ["a host that is no service", compose, "@mongo:27017", "@mongodb:27017", /product: MONGODB_URL names the host mongodb/],
    ["a broker that is no service", compose, "KAFKA_BROKERS: kafka:9092", "KAFKA_BROKERS: broker:9092", /KAFKA_BROKERS names the host broker/],
    ["a host on another network", compose, "image: redis:", "networks: [outside]\n    image: redis:", /user: REDIS_URL names the host redis/],
    ["a dependency that is not there", compose, "      zipkin: { condition", "      jaeger: { condition", /depends on jaeger/],
    ["a port that everybody reaches", compose, `["127.0.0.1:3000:3000"]`, `["3000:3000"]`, /grafana: publishes 3000:3000 to everybody/],
    ["an image that moves", compose, "redis:7.4.5-alpine", "redis:latest", /redis: takes the image redis:latest/],
    ["a mount that is not there", compose, "./infra/docker/postgres:", "./infra/docker/postgresql:", /mounts \.\/infra\/docker\/postgresql/],
    ["a secret that is not explained", compose, "${CURSOR_KEY:", "${CURSORS_KEY:", /uses \$\{CURSORS_KEY\}/],
    ["an explanation of nothing", ".env.example", "CURSOR_KEY=", "CURSOR_KEY=\nOLD_KEY=", /does not use OLD_KEY/],
    ["a program that is not bundled", compose, "args: { SERVICE: order }", "args: { SERVICE: orders }", /order: build\.args\.SERVICE names nothing/]
  ] as const)("refuses %s", ([, path, from, to, problem]) => {
    const added = Compose.check(withChange(path, from, to)).problems.filter((one) => !before.has(one))
    assert.match(added.join("\n"), problem)
  })

  it("finds hosts in URLs and in lists, and no others", () => {
    assert.deepStrictEqual(Compose.hostsIn("postgres://a:${P:?say @ it}@postgres:5432/x"), ["postgres"])
    assert.deepStrictEqual(Compose.hostsIn("a:9092, b:9092"), ["a", "b"])
    assert.deepStrictEqual(Compose.hostsIn("jdbc:postgresql://postgres:5432/registry"), ["postgres"])
    assert.deepStrictEqual(Compose.hostsIn("1@127.0.0.1:9093"), [])
    assert.deepStrictEqual(Compose.hostsIn("-Xms64m -Xmx256m"), [])
  })
})

describe("the Dockerfile", () => {
  it.for([
    ["an instruction that is none", "WORKDIR /app", "WORKDIRS /app", /Unknown instruction/],
    ["another Node than the toolchain's", "FROM node:26.10.0-bookworm-slim AS", "FROM node:26 AS", /builds on node:26: /],
    ["a source that is not there", "COPY infra/toolchain/patches ", "COPY infra/patches ", /copies infra\/patches/],
    ["root", "USER node", "USER root", /runs as root/],
    ["no health check", "HEALTHCHECK", "# HEALTHCHECK", /has no HEALTHCHECK/]
  ] as const)("is not accepted with %s", ([, from, to, problem]) => {
    assert.deepStrictEqual(Dockerfile.check(files).problems, [])
    assert.match(Dockerfile.check(withChange(dockerfile, from, to)).problems.join("\n"), problem)
  })
})

describe("what watches", () => {
  it.for([
    ["a metric that nobody counts", dashboard, "outbox_pending", "outbox_waiting", /shows outbox_waiting/],
    ["an exporter that is not configured", collector, "exporters: [zipkin]", "exporters: [jaeger]", /a pipeline traces with jaeger/],
    ["a host that is not there", collector, "http://zipkin:", "http://jaeger:", /names the host jaeger/],
    ["a target that is not there", "infra/observability/prometheus.yml", "collector:9464", "otel:9464", /names the host otel/]
  ] as const)("is not accepted with %s", ([, path, from, to, problem]) => {
    assert.deepStrictEqual(Observability.check(files).problems, [])
    assert.match(Observability.check(withChange(path, from, to)).problems.join("\n"), problem)
  })
})

describe("workflows", () => {
  it.for([
    ["a version that moves", "actions/cache@v4.3.0", "actions/cache@v4", /actions\/cache@v4: name the full version/],
    ["no permissions", "permissions:\n  contents: read\n", "", /says no permissions/],
    ["a key that is none", "    timeout-minutes: 15", "    timeout: 15", /unexpected key "timeout"/],
    ["an expression that means nothing", "${{ matrix.os }}", "${{ matrix.system }}", /property "system" is not defined/]
  ] as const)("are not accepted with %s", async ([, from, to, problem]) => {
    assert.deepStrictEqual((await Workflows.check(files)).problems, [])
    assert.match((await Workflows.check(withChange(workflow, from, to))).problems.join("\n"), problem)
  })

  it("are all looked at", async () => {
    const { problems } = await Workflows.check(withFile(".github/workflows/other.yaml", "on: push\njobs: {}\n"))
    assert.match(problems.join("\n"), /other\.yaml/)
  })
})
