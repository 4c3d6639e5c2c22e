import { Money } from "@marketplace/domain/Money"
import { ProductId, VariantId } from "@marketplace/domain/Product/Ids"
import { LocalizedText, Product, Variant } from "@marketplace/domain/Product/Product"
import { EnterpriseId, MemberId } from "@marketplace/domain/User/Ids"
import { Email } from "@marketplace/domain/User/Member"

/** The password of every demo account. */
export const demoPassword = "marketplace-demo"

/** A UUIDv7 of 2026-01-01 plus `n` milliseconds: the same on every machine, sorted by `n`. */
const seedId = (kind: number, n: number): string => {
  const time = (1_767_225_600_000 + n).toString(16).padStart(12, "0")
  return `${time.slice(0, 8)}-${time.slice(8)}-7${kind.toString(16).padStart(3, "0")}-8000-${n.toString(16).padStart(12, "0")}`
}

const kinds = { member: 1, enterprise: 2, product: 3, variant: 4 }

/** Buyers one can log in as. */
export const members = [["민지", "minji"], ["Alex", "alex"], ["서준", "seojun"], ["Emma", "emma"], ["지우", "jiwoo"]].map(([name = "", local = ""], n) => ({
  id: MemberId.make(seedId(kinds.member, n)),
  email: Email.make(`${local}@example.com`),
  name
}))

const sellers = [
  ["한옥살림", "Hanok Living"], ["제주바다", "Jeju Sea"], ["서울책방", "Seoul Books"], ["달빛공방", "Moonlight Workshop"], ["초록식탁", "Green Table"]
].map(([ko = "", en = ""], n) => ({ id: EnterpriseId.make(seedId(kinds.enterprise, n)), name: `${ko} ${en}` }))

const materials: ReadonlyArray<readonly [ko: string, en: string]> = [["나무", "Wooden"], ["도자기", "Ceramic"], ["유리", "Glass"], ["리넨", "Linen"], ["놋쇠", "Brass"]]
const goods: ReadonlyArray<readonly [ko: string, en: string, price: number]> = [
  ["쟁반", "tray", 15_900], ["컵", "cup", 8_500], ["접시", "plate", 12_000], ["화병", "vase", 27_000], ["조명", "lamp", 64_000],
  ["바구니", "basket", 19_800], ["수저", "cutlery", 9_900], ["주전자", "kettle", 45_000], ["향로", "incense burner", 33_000], ["시계", "clock", 52_000],
  ["액자", "frame", 14_300], ["상자", "box", 11_000], ["촛대", "candle holder", 17_600], ["의자", "stool", 78_000], ["선반", "shelf", 56_000],
  ["거울", "mirror", 41_000], ["빗", "comb", 6_600], ["붓통", "brush pot", 13_200], ["찻상", "tea table", 89_000], ["벽걸이", "wall hanging", 38_500]
]

const named = materials.length * goods.length

/** Of the n-th product. */
export const productId = (n: number): ProductId => ProductId.make(seedId(kinds.product, n))

/** The n-th product on sale, with its first stock: one of five sellers', always the same. From the second hundred on names repeat, with a number. */
export const product = (n: number): { readonly product: Product; readonly onHand: number } => {
  const round = Math.floor(n / goods.length) % materials.length
  const [materialKo, materialEn] = materials[round] ?? ["", ""]
  const [goodKo, goodEn, price] = goods[n % goods.length] ?? ["", "", 1]
  const seller = sellers[n % sellers.length] ?? { id: EnterpriseId.make(seedId(kinds.enterprise, 0)), name: "" }
  const edition = n < named ? "" : ` ${Math.floor(n / named) + 1}`
  const ko = `${materialKo} ${goodKo}${edition}`
  const en = `${materialEn} ${goodEn}${edition}`
  return {
    onHand: firstStock,
    product: new Product({
      id: productId(n),
      enterpriseId: seller.id,
      seller: seller.name,
      name: new LocalizedText({ ko, en }),
      description: new LocalizedText({ ko: `${seller.name}에서 손으로 만든 ${ko}입니다.`, en: `${en}, made by hand at ${seller.name}.` }),
      status: "ACTIVE",
      variants: [
        new Variant({
          id: VariantId.make(seedId(kinds.variant, n)),
          sku: `SKU-${String(n + 1).padStart(4, "0")}`,
          price: new Money({ amount: price + round * 500, currency: "KRW" }),
          available: firstStock,
          sold: 0,
          stockSequence: 0
        })
      ]
    })
  }
}

const firstStock = 100
