//! Why a client gets what it gets.

use super::switch::policy;
use super::{Cell, Page, Table, Tone};
use crate::admin::explain::Explained;

/// The choice and its reasons.
pub(in crate::cli) fn show(page: &mut Page, explained: &Explained) {
    let why = &explained.explanation;
    let pool = why.pool.as_deref().unwrap_or("nothing (NODATA)");
    page.paragraph(Tone::Strong, "", &format!("{} for {}: {pool}", explained.owner, explained.client));
    page.paragraph(if why.by_fallback { Tone::Bad } else { Tone::Plain }, "  ", &why.why);
    if let Some(rule) = &why.rule {
        page.paragraph(Tone::Plain, "  ", &format!("rule: {rule}"));
    }
    page.paragraph(
        Tone::Plain,
        "  ",
        &format!("switch {}, {}, key {}, ECS scope /{}", why.switch, policy(why.policy), why.key, why.scope),
    );
    page.paragraph(
        Tone::Plain,
        "  ",
        &format!("TTL {} s ({}), revision {}", why.ttl_s, why.ttl_cause, explained.revision),
    );
    page.gap();
    let mut table = Table::new(2, &["POOL", "WEIGHT", "TOOK PART", "SCORE", "ELIGIBLE"]);
    for entry in &why.pools {
        let chosen = why.pool.as_deref() == Some(entry.name.as_str());
        let part = match entry.took_part_with {
            Some(weight) => format!("with {weight}"),
            None => "no".to_owned(),
        };
        let (tone, word) = if entry.eligible { (Tone::Good, "yes") } else { (Tone::Bad, "no") };
        let eligible = match &entry.why {
            Some(why) => Cell::toned(tone, format!("{word}: {why}")),
            None => Cell::toned(tone, word),
        };
        table.row(vec![
            Cell::toned(if chosen { Tone::Strong } else { Tone::Plain }, entry.name.as_str()),
            Cell::from(entry.weight.to_string()).right(),
            part.into(),
            Cell::from(entry.score.map_or_else(|| "-".to_owned(), |score| format!("{score:.6}"))).right(),
            eligible,
        ]);
    }
    page.table(&table);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steering::{Explanation, Policy, PoolExplanation};

    #[test]
    fn an_explanation_names_pool_reason_key_and_scores() {
        let pool = |name: &str, weight, score: Option<f64>| PoolExplanation {
            name: name.into(),
            weight,
            eligible: true,
            why: None,
            took_part_with: score.map(|_| weight),
            score,
        };
        let explanation = Explanation {
            switch: "model".into(),
            pool: Some("blue".into()),
            why: "blue has the lowest score".into(),
            policy: Policy::Sticky,
            rule: None,
            by_fallback: false,
            key: "203.0.113.0/24".into(),
            scope: 24,
            ttl_s: 30,
            ttl_cause: "steady".into(),
            pools: vec![pool("blue", 9000, Some(0.25)), pool("green", 0, None)],
        };
        let explained = Explained {
            owner: "model.example.test.".into(),
            client: "203.0.113.7".into(),
            snapshot: 3,
            revision: 42,
            explanation,
        };
        let mut page = Page::plain(0);
        show(&mut page, &explained);
        assert_eq!(
            page.finish(),
            "\
model.example.test. for 203.0.113.7: blue
  blue has the lowest score
  switch model, sticky, key 203.0.113.0/24, ECS scope /24
  TTL 30 s (steady), revision 42

  POOL   WEIGHT  TOOK PART     SCORE  ELIGIBLE
  blue     9000  with 9000  0.250000  yes
  green       0  no                -  yes
"
        );
    }
}
