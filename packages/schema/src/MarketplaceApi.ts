import { HttpApi, OpenApi } from "effect/http-api"
import { OrderApi } from "./Order/HttpApi.ts"
import { PaymentApi } from "./Payment/HttpApi.ts"
import { ProductApi } from "./Product/HttpApi.ts"
import { UserApi } from "./User/HttpApi.ts"


/** Everything that people outside can ask for, as the gateway serves it; clients and documents are derived from it. */
export class MarketplaceApi extends HttpApi.make("marketplace")
  .addHttpApi(UserApi)
  .addHttpApi(ProductApi)
  .addHttpApi(OrderApi)
  .addHttpApi(PaymentApi)
  .annotateMerge(OpenApi.annotations({
    title: "Marketplace API",
    version: "1.0.0",
    description: "Multi-vendor marketplace: catalogue, orders, payments"
  }))
{}
