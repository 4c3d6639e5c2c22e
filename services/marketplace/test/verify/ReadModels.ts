import type { Plant } from "./Plant.ts"

export const readModels: ReadonlyArray<Plant> = [
  {
    breaks: "read-models.the-catalogue-shows-the-stock",
    how: "a sale that the catalogue did not hear of",
    script: ({ placed }) => `update product_service.product set variants = jsonb_set(variants, '{0,sold}', '0')
      where id in (select product_id from order_service.order_line where order_id = '${placed.order}')`
  },
  {
    breaks: "read-models.the-catalogue-shows-the-stock",
    how: "goods without a stock",
    timeless: true,
    script: () => `insert into product_service.product
      select gen_random_uuid(), enterprise_id, seller, name, description, status,
        jsonb_set(variants, '{0,id}', to_jsonb(gen_random_uuid())), variant_ids, 0, version from product_service.product limit 1`
  },
  {
    breaks: "read-models.purchases-are-counted",
    how: "a purchase that was counted twice",
    script: ({ placed }) => `update user_service.member set purchases = purchases + 1
      where id = (select member_id from order_service.orders where id = '${placed.order}')`
  }
]
