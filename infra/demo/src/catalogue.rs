//! What the shop sells, and what a basket of it costs.

use serde_json::{Value, json};

use crate::chance::Chance;
use crate::made::set;

#[derive(Clone, Copy, Default)]
pub(crate) struct Product {
    pub(crate) sku: &'static str,
    pub(crate) name: &'static str,
    pub(crate) category: &'static str,
    pub(crate) cents: u32,
}

const fn product(sku: &'static str, name: &'static str, category: &'static str, cents: u32) -> Product {
    Product { sku, name, category, cents }
}

pub(crate) const PRODUCTS: [Product; 20] = [
    product("TEA-0101", "Assam Second Flush, 100 g", "Black tea", 1290),
    product("TEA-0102", "Darjeeling First Flush, 100 g", "Black tea", 2475),
    product("TEA-0103", "Русский караван, 250 г", "Black tea", 1899),
    product("TEA-0201", "Sencha Uji, 100 g", "Green tea", 1650),
    product("TEA-0202", "Longjing, 50 g", "Green tea", 2199),
    product("TEA-0203", "Genmaicha, 200 g", "Green tea", 1125),
    product("TEA-0301", "Tieguanyin, 100 g", "Oolong", 2340),
    product("TEA-0302", "Da Hong Pao, 50 g", "Oolong", 3610),
    product("TEA-0401", "Shu Pu-erh cake, 357 g", "Pu-erh", 4250),
    product("TEA-0501", "Иван-чай, 100 г", "Herbal", 799),
    product("TEA-0502", "Rooibos Vanilla, 200 g", "Herbal", 949),
    product("TEA-0503", "Chamomile, 80 g", "Herbal", 605),
    product("POT-0001", "Cast-iron teapot, 0.8 l", "Teaware", 6900),
    product("POT-0002", "Gaiwan, porcelain", "Teaware", 2780),
    product("POT-0003", "Samovar “Tula”, 3 l", "Teaware", 18_900),
    product("CUP-0001", "Two cups, blue", "Teaware", 2350),
    product("CUP-0002", "Glass holder (подстаканник)", "Teaware", 3175),
    product("SWT-0001", "Raspberry jam, 300 g", "Sweets", 715),
    product("SWT-0002", "Pryanik, box of 6", "Sweets", 1180),
    product("GFT-0001", "Gift box “Four teas”", "Gifts", 4999),
];

/// What is bought together.
#[derive(Clone, Default)]
pub(crate) struct Basket {
    lines: Vec<(Product, u32)>,
    discount_cents: u32,
}

impl Basket {
    pub(crate) fn fill(chance: &mut Chance) -> Self {
        let mut basket = Self::default();
        for _ in 0..chance.between(1, 4) {
            let product = chance.pick(&PRODUCTS);
            // A basket has a line a product, not two.
            if basket.lines.iter().all(|(known, _)| known.sku != product.sku) {
                basket.lines.push((product, if chance.percent(80) { 1 } else { 1 + chance.under(3) }));
            }
        }
        if chance.percent(15) {
            basket.discount_cents = basket.full_cents() / 10;
        }
        basket
    }

    pub(crate) fn products(&self) -> impl Iterator<Item = Product> {
        self.lines.iter().map(|(product, _)| *product)
    }

    fn full_cents(&self) -> u32 {
        self.lines.iter().map(|(product, count)| product.cents * count).sum()
    }

    /// What the shop earns.
    pub(crate) fn revenue_cents(&self) -> u32 {
        self.full_cents() - self.discount_cents
    }

    /// The properties of an `Order Completed`.
    pub(crate) fn order(&self, order_id: &str, currency: &str) -> Value {
        let line = |(product, count): &(Product, u32)| {
            let mut line = shown(*product);
            set(&mut line, "quantity", *count);
            line
        };
        json!({
            "order_id": order_id,
            "currency": currency,
            "revenue": amount(self.revenue_cents()),
            "discount": amount(self.discount_cents),
            "products": self.lines.iter().map(line).collect::<Vec<_>>(),
        })
    }
}

/// The properties that name a product.
pub(crate) fn shown(product: Product) -> Value {
    json!({
        "product_id": product.sku,
        "sku": product.sku,
        "name": product.name,
        "category": product.category,
        "price": amount(product.cents),
    })
}

/// Cents as shops write them: 1290 is 12.9.
fn amount(cents: u32) -> f64 {
    f64::from(cents) / 100.0
}
