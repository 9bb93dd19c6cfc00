//! A bill, for people and for scripts.

use serde_json::{Value, json};

use super::bill::{Bill, Line};

pub(super) fn lines(bill: &Bill) -> Vec<String> {
    let counted = &bill.counted;
    let place = counted.region.as_ref().map(|region| format!(" in {region}")).unwrap_or_default();
    let (region, date) = &bill.prices_of;
    let mut lines = vec![
        format!(
            "{}{place}, {} to {}: {:.1} hours, {} events accepted.",
            counted.of,
            counted.from.rfc3339(),
            counted.to.rfc3339(),
            bill.hours,
            number(counted.accepted)
        ),
        format!("At list prices of {region} of {date}."),
        String::new(),
        row("", "what", "count", "price", "$", "$ a month"),
    ];
    for stage in stages(bill) {
        let of_it: Vec<&Line> = bill.lines.iter().filter(|line| line.used.stage == stage).collect();
        let dollars = of_it.iter().map(|line| line.dollars).sum();
        let a_month = of_it.iter().map(|line| line.dollars_a_month).sum();
        lines.push(row(stage, "", "", "", &money(dollars), &month(a_month)));
        lines.extend(of_it.into_iter().map(shown));
    }
    lines.push(row("total", "", "", "", &money(bill.dollars()), &month(bill.dollars_a_month())));
    lines.push(String::new());
    lines.push(match bill.dollars_a_million() {
        Some((used, all)) if bill.lines.iter().any(|line| line.price.by_month) => {
            format!("$ {used:.2} a million accepted events, $ {all:.2} with what is asked by the month.")
        }
        Some((used, _)) => format!("$ {used:.2} a million accepted events."),
        None => "No event was accepted: there is no price of one.".to_owned(),
    });
    lines.extend(notes(bill).into_iter().map(|note| format!("- {note}")));
    lines
}

pub(super) fn json(bill: &Bill) -> Value {
    let counted = &bill.counted;
    let lines = bill.lines.iter().map(|Line { used, price, dollars, dollars_a_month }| {
        json!({
            "stage": used.stage, "what": used.what, "count": used.count, "unit": price.unit,
            "price": price.dollars, "price_per": price.per, "by_month": price.by_month,
            "dollars": dollars, "dollars_a_month": dollars_a_month,
        })
    });
    let a_million = bill.dollars_a_million();
    json!({
        "of": counted.of, "region": counted.region,
        "from": counted.from.rfc3339(), "to": counted.to.rfc3339(), "hours": bill.hours,
        "prices": { "region": bill.prices_of.0, "date": bill.prices_of.1 },
        "accepted": counted.accepted,
        "lines": lines.collect::<Vec<_>>(),
        "dollars": bill.dollars(), "dollars_a_month": bill.dollars_a_month(),
        "dollars_a_million": a_million.map(|(used, _)| used),
        "dollars_a_million_with_what_stands": a_million.map(|(_, all)| all),
        "notes": notes(bill),
    })
}

/// In the order in which they come first.
fn stages(bill: &Bill) -> Vec<&str> {
    let mut stages: Vec<&str> = Vec::new();
    for line in &bill.lines {
        if !stages.contains(&line.used.stage.as_str()) {
            stages.push(&line.used.stage);
        }
    }
    stages
}

fn notes(bill: &Bill) -> Vec<String> {
    let elsewhere = bill.counted.region.as_ref().filter(|region| **region != bill.prices_of.0);
    let elsewhere =
        elsewhere.map(|region| format!("prices of {region} are others than these of {}", bill.prices_of.0));
    let short = bill.is_short().then(|| "less than an hour foretells no month".to_owned());
    bill.counted.notes.iter().cloned().chain(elsewhere).chain(short).collect()
}

fn shown(line: &Line) -> String {
    let Line { used, price, dollars, dollars_a_month } = line;
    let count = format!("{} {}", number(used.count), price.unit);
    let asked = format!("{:.3} {}", price.dollars, price.per_in_words);
    row("", &used.what, &count, &asked, &money(*dollars), &month(*dollars_a_month))
}

fn row(stage: &str, what: &str, count: &str, price: &str, dollars: &str, a_month: &str) -> String {
    let row = format!("{stage:<9}  {what:<26}  {count:>24}  {price:<22}  {dollars:>12}  {a_month:>12}");
    row.trim_end().to_owned()
}

fn month(dollars: Option<f64>) -> String {
    dollars.map_or_else(|| "-".to_owned(), money)
}

fn money(dollars: f64) -> String {
    format!("{dollars:.4}")
}

/// Whole, in groups of three digits.
fn number(count: f64) -> String {
    let digits = format!("{count:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_in_groups_of_three() {
        let check = |count, expected: &str| assert_eq!(number(count), expected);
        check(0.0, "0");
        check(999.4, "999");
        check(1_000.0, "1,000");
        check(1_234_567.8, "1,234,568");
    }
}
