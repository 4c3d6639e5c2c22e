import { Config, Context, Duration, Layer } from "effect"

const settings = Config.all({
  /** How often open questions to the provider are looked at. */
  sweepInterval: Config.Duration("PAYMENT_SWEEP_INTERVAL").pipe(Config.withDefault(Duration.seconds(1))),
  /** An outcome that stays unknown for so long is a person's to decide. */
  reviewAfter: Config.Duration("PAYMENT_REVIEW_AFTER").pipe(Config.withDefault(Duration.hours(24)))
})

export class Settings extends Context.Service<Settings, Config.Success<typeof settings>>()("@marketplace/payment/Settings") {
  static readonly layer = Layer.effect(Settings, settings)
}
