//! The written form: what is read, what is refused, and that nothing is lost on disk.

use super::*;
use crate::rollout::v1::{CheckContext, PlanForm};

fn check(text: &str) -> Result<Plan, Vec<String>> {
    let form: PlanForm = serde_json::from_str(text).map_err(|error| vec![error.to_string()])?;
    let context = CheckContext { pools: &["blue", "green", "base"], from_call: None };
    form.check(&context).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[test]
fn an_empty_plan_is_the_default_canary() {
    assert_eq!(check("{}"), Ok(Plan::default_of(PlanKind::Canary)));
}

#[test]
fn faults_are_named_with_their_place() {
    for (text, part) in [
        (r#"{"steps":["10%","5%","100%"]}"#, "steps[1].weight: the weights must rise"),
        (r#"{"steps":["10%","50%"]}"#, "steps[1].weight: the last step must be 100 %"),
        (r#"{"steps":[{"weight":"10%","hold":0},"100%"]}"#, "steps[0].hold: `steps[0].hold` of 0"),
        (r#"{"steps":["0%","100%"]}"#, "steps[0].weight"),
        (r#"{"hold":"0s"}"#, "hold"),
        (r#"{"gates":[{"max":1}]}"#, "gates[0]: the gate names no metric"),
        (r#"{"gates":[{"metric":"x","max":1,"min":0}]}"#, "`max` or `min`, not both"),
        (r#"{"gates":[{"metric":"x","margin":0}]}"#, "gates[0].margin"),
        (r#"{"gates":[{"metric":"probe_errors","statistic":"p95"}]}"#, "gates[0].statistic"),
        (r#"{"baseline":"bass"}"#, "baseline: the switch has no pool `bass`"),
        (r#"{"metrics":{"cpu":{"query":"up"}},"gates":[{"metric":"cpu","max":1}]}"#, "needs a server to ask"),
        (r#"{"kind":"rolling","steps":["100%"]}"#, "member by member"),
        (r#"{"hooks":[{"on":"event","url":"ftp://x"}]}"#, "hooks[0].url"),
        (r#"{"stepps":[]}"#, "unknown field `stepps`"),
    ] {
        let problems = check(text).expect_err(text);
        assert!(problems.iter().any(|problem| problem.contains(part)), "{text}: {problems:?}");
    }
}

#[test]
fn a_call_names_no_files_and_no_servers() {
    let files = Plan { hooks: Vec::new(), ..Plan::default_of(PlanKind::Canary) };
    let context = CheckContext { pools: &["blue"], from_call: Some(&files) };
    for text in [
        r#"{"prometheus":{"url":"http://evil","bearer_file":"/etc/shadow"}}"#,
        r#"{"hooks":[{"on":"event","url":"http://evil"}]}"#,
    ] {
        let form: PlanForm = serde_json::from_str(text).unwrap();
        assert!(form.check(&context).is_err(), "{text}");
    }
}

#[test]
fn a_stored_rollout_comes_back_as_it_was() {
    let plan = check(
        r#"{"steps":[{"weight":"2.5%","hold":"90s","pause":true,"gates":[{"metric":"recall","min":0.9,"looks":3}]},"100%"],
            "gates":[{"metric":"errors","margin":"1%"},{"metric":"ms","statistic":"p99.9","planned":{"looks":5}},{"metric":"cpu","max":"80%"}],
            "metrics":{"errors":{"rate":true},"cpu":{"query":"q","total":"t","worse":"up"}},"baseline":"base",
            "prometheus":{"url":"http://127.0.0.1:9090/","timeout":"2s"},"hooks":[{"on":"pre-step","url":"http://127.0.0.1/x"}],"spill":true}"#,
    )
    .unwrap();
    let mut rollout = begin(plan);
    rollout.before.insert("base".into(), 0);
    let paused = advance(&rollout, &Event::Pause(Person::default()), T0).unwrap().unwrap();
    let text = serde_json::to_string(&record::RolloutV1::of(&paused)).unwrap();
    let back: record::RolloutV1 = serde_json::from_str(&text).unwrap();
    assert_eq!(back.restore().unwrap(), paused);
}
