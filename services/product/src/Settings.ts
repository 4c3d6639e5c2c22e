import { Config, Context, Duration, Layer } from "effect"

const settings = Config.all({
  /** Held this long for an unpaid order, the order is asked whether it still wants the units. */
  holdReview: Config.Duration("PRODUCT_HOLD_REVIEW").pipe(Config.withDefault(Duration.minutes(35))),
  /** How often such holds are looked for. */
  sweepInterval: Config.Duration("PRODUCT_SWEEP_INTERVAL").pipe(Config.withDefault(Duration.seconds(5)))
})

export class Settings extends Context.Service<Settings, Config.Success<typeof settings>>()("@marketplace/product/Settings") {
  static readonly layer = Layer.effect(Settings, settings)
}
