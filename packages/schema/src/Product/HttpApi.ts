import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiError, HttpApiGroup, OpenApi } from "effect/http-api"
import { Money } from "@marketplace/domain/Money"
import { ProductId, VariantId } from "@marketplace/domain/Product/Ids"
import { LocalizedText } from "@marketplace/domain/Product/Product"
import { EnterpriseId } from "@marketplace/domain/User/Ids"
import { sharedFor, SharesAnswers } from "../Caching.ts"
import { Unavailable, ValidatesRequests } from "../Problems.ts"
import { conventions, page, pageOf, summary } from "../Requests.ts"

export class ProductUnknown extends HttpApiError.Problem<ProductUnknown>()("ProductUnknown", {
  type: "/problems/product-not-found",
  status: 404,
  title: "There is no such product on sale"
}, { productId: ProductId }) {}

export class CursorInvalid extends HttpApiError.Problem<CursorInvalid>()("CursorInvalid", {
  type: "/problems/cursor-invalid",
  status: 400,
  title: "The cursor is not one that this list gave out; start again without it"
}) {}

/** Buyers see whether there is stock, never how much. */
export const Availability = Schema.Literals(["IN_STOCK", "LOW", "SOLD_OUT"]).annotate({ identifier: "Availability" })

export class VariantView extends Schema.Class<VariantView>("VariantView")({
  id: VariantId,
  sku: Schema.String,
  price: Money,
  availability: Availability
}) {}

export class ProductView extends Schema.Class<ProductView>("ProductView")({
  id: ProductId,
  name: LocalizedText,
  description: LocalizedText,
  seller: Schema.Struct({ id: EnterpriseId, name: Schema.String }),
  variants: Schema.Array(VariantView),
  /** Units sold, ever. */
  sales: Schema.Int
}) {}

export class ProductsGroup extends HttpApiGroup.make("products")
  .add(
    HttpApiEndpoint.get("list", "/", { query: page, success: pageOf(ProductView), error: [CursorInvalid, Unavailable] })
      .annotateMerge(summary("Browse the products on sale, newest first"))
      .annotateMerge(sharedFor("10 seconds")),
    HttpApiEndpoint.get("get", "/:id", { params: { id: ProductId }, success: ProductView, error: [ProductUnknown, Unavailable] })
      .annotateMerge(summary("Read one product"))
      .annotateMerge(sharedFor("10 seconds"))
  )
  .prefix("/v1/products")
{}

export class ProductApi extends HttpApi.make("product")
  .add(ProductsGroup)
  .annotateMerge(OpenApi.annotations({ title: "Product", version: "1.0.0" }))
  .annotateMerge(conventions)
  .middleware(SharesAnswers)
  .middleware(ValidatesRequests)
{}
