//! What `explain` says is what happens (§6.1).

use super::*;

#[test]
fn it_names_the_rule_that_decides_and_the_one_that_could_not() {
    let mut bench = Bench::new(Policy::Sticky, &[1, 1]).rule("office", networks(&["10.0.0.0/8"]), to_pool("p0")).rule(
        "lab",
        networks(&["10.1.0.0/16"]),
        to_pool("p1"),
    );
    let told = bench.compile().explain(&from("10.1.2.3"), 0);
    assert_eq!(
        (told.pool.as_deref(), told.rule.as_deref(), told.key.as_str()),
        (Some("p1"), Some("lab"), "10.1.2.0/24")
    );
    assert_eq!(told.why, "rule lab gives 10.1.2.0/24 pool p1");
    bench.eligible[1] = false;
    let told = bench.compile().explain(&from("10.1.2.3"), 0);
    assert_eq!(told.pool.as_deref(), Some("p0"));
    assert_eq!(told.why, "rule lab gives no eligible pool; the only eligible pool with weight");
}

#[test]
fn the_lowest_score_is_the_pool_answered() {
    let compiled = Bench::new(Policy::Sticky, &[10, 200, 3000]).compile();
    for n in 0..200 {
        let told = compiled.explain(&nth(n), 0);
        let lowest = told.pools.iter().min_by(|a, b| a.score.unwrap().total_cmp(&b.score.unwrap())).unwrap();
        assert_eq!(told.pool.as_deref(), Some(lowest.name.as_str()));
        assert_eq!(told.pool, compiled.choose(&nth(n), 0).pool.map(|at| compiled.pools[at].name.to_string()));
    }
}

#[test]
fn txt_strings_stay_within_255_octets_whatever_the_words() {
    let mut bench = Bench::new(Policy::Sticky, &[1, 1]).rule(&"ü".repeat(300), networks(&["0.0.0.0/0"]), to_pool("p1"));
    bench.definition.fallback = Fallback::NoData;
    let lines = bench.compile().explain(&from("10.1.2.3"), 0).to_txt();
    assert!(lines.iter().all(|line| line.len() <= 255 && !line.is_empty()));
    assert_eq!(lines[0], "switch=model pool=p1");
    assert_eq!(lines.len(), 6);
}

#[test]
fn only_the_networks_named_may_ask() {
    let compiled = Bench::new(Policy::Sticky, &[1]).compile();
    assert!(compiled.explain_allowed("127.0.0.1".parse().unwrap()));
    assert!(compiled.explain_allowed("::ffff:127.0.0.1".parse().unwrap()));
    assert!(!compiled.explain_allowed("192.0.2.1".parse().unwrap()));
}

#[test]
fn a_fallback_is_told() {
    let mut bench = Bench::new(Policy::Sticky, &[1, 0]);
    bench.eligible = vec![false, false];
    bench.last_active = vec![0];
    let told = bench.compile().explain(&from("10.1.2.3"), 0);
    assert!(told.by_fallback);
    assert_eq!(
        told.why,
        "no pool with weight is eligible; the fallback is the pools that last had weight, health ignored"
    );
}
