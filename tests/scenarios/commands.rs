//! Commands as the command line spells them.

use std::collections::BTreeMap;
use tidegate::health::OverrideKind;
use tidegate::state::{Command, FlipTarget, WeightChange};

/// Reads a command.
pub(crate) fn parse(text: &str) -> Result<Command, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let owned = |word: &str| word.to_owned();
    Ok(match words.as_slice() {
        ["flip", rest @ ..] => Command::Flip(targets(rest)?),
        ["set-weights", switch, given @ ..] => Command::SetWeights { switch: owned(switch), weights: weights(given)? },
        ["undo", switch] => Command::Undo { switch: owned(switch) },
        ["prepare", switch] => Command::Prepare { switch: owned(switch) },
        ["reset", switch] => Command::Reset { switch: owned(switch) },
        ["expect-version", switch, pool] => {
            Command::ExpectVersion { switch: owned(switch), pool: owned(pool), version: None }
        }
        ["expect-version", switch, pool, version] => {
            Command::ExpectVersion { switch: owned(switch), pool: owned(pool), version: Some(owned(version)) }
        }
        ["force-up", rest @ ..] => hold(Some(OverrideKind::ForceUp), rest)?,
        ["force-down", rest @ ..] => hold(Some(OverrideKind::ForceDown), rest)?,
        ["clear", rest @ ..] => hold(None, rest)?,
        _ => return Err(format!("`{text}` is no command of scenarios")),
    })
}

/// `switch pool`, or `switch=pool switch=pool` for several.
fn targets(words: &[&str]) -> Result<Vec<FlipTarget>, String> {
    if let [switch, to] = words
        && !switch.contains('=')
    {
        return Ok(vec![FlipTarget { switch: (*switch).to_owned(), to: (*to).to_owned() }]);
    }
    words
        .iter()
        .map(|word| word.split_once('='))
        .map(|pair| pair.map(|(switch, to)| FlipTarget { switch: switch.to_owned(), to: to.to_owned() }))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| "a flip is `flip switch pool` or `flip switch=pool switch=pool`".to_owned())
}

/// `pool=500` or `pool=2.5%`, all in one unit.
fn weights(words: &[&str]) -> Result<WeightChange, String> {
    let mut given = BTreeMap::new();
    let percent = words.iter().any(|word| word.ends_with('%'));
    for word in words {
        let (pool, value) = word.split_once('=').ok_or_else(|| format!("`{word}` is not pool=weight"))?;
        let number = if percent { hundredths(value) } else { value.parse().ok() };
        given.insert(pool.to_owned(), number.ok_or_else(|| format!("`{value}` is no weight"))?);
    }
    Ok(if percent { WeightChange::Percent(given) } else { WeightChange::Weights(given) })
}

/// `12.5%` as 1250.
fn hundredths(value: &str) -> Option<u32> {
    let (whole, part) = value.strip_suffix('%')?.split_once('.').unwrap_or((value.strip_suffix('%')?, ""));
    let part = format!("{part:0<2}");
    Some(whole.parse::<u32>().ok()? * 100 + part.parse::<u32>().ok()?)
}

/// `switch pool [member] [for 1h]`.
fn hold(kind: Option<OverrideKind>, words: &[&str]) -> Result<Command, String> {
    let (words, for_ms) = match words {
        [rest @ .., "for", time] => (rest, Some(millis(time)?)),
        _ => (words, None),
    };
    let (switch, pool, member) = match words {
        [switch, pool] => (switch, pool, None),
        [switch, pool, member] => (switch, pool, Some((*member).to_owned())),
        _ => return Err("an override is `force-up switch pool [member] for 1h`".to_owned()),
    };
    Ok(Command::Override { switch: (*switch).to_owned(), pool: (*pool).to_owned(), member, hold: kind, for_ms })
}

/// `90s` as milliseconds.
pub(crate) fn millis(text: &str) -> Result<u64, String> {
    let duration = humantime::parse_duration(text).map_err(|error| format!("`{text}`: {error}"))?;
    u64::try_from(duration.as_millis()).map_err(|error| error.to_string())
}
