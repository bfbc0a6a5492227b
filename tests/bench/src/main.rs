//! Measures Tidegate beside other authoritative servers; see the README beside this package.

// A measuring program reads clocks, prints, and rounds: the product's lints do not apply here.

mod admin;
mod compare;
mod configurations;
mod echo;
mod encrypted;
mod flood;
mod instructions;
mod load;
mod peer;
mod scale;
mod sockets;
mod stream;
mod wire;
mod zone;

use configurations::Programs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// `--name value` of the command line.
fn option(words: &[String], name: &str) -> Option<String> {
    let place = words.iter().position(|word| word == name)?;
    words.get(place + 1).cloned()
}

/// `--name number` of the command line.
fn number<T: std::str::FromStr>(words: &[String], name: &str, default: T) -> io::Result<T> {
    let Some(text) = option(words, name) else { return Ok(default) };
    text.parse().map_err(|_| io::Error::other(format!("{name} takes a number, not `{text}`")))
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn dispatch(words: &[String]) -> io::Result<bool> {
    let bench = std::env::current_exe()?.display().to_string();
    let tidegate = option(words, "--program").unwrap_or_else(|| "target/release/tidegate".to_owned());
    let programs = Programs { tidegate, bench };
    let folder = PathBuf::from(option(words, "--folder").unwrap_or_else(|| "/tmp/tidegate-bench".to_owned()));
    std::fs::create_dir_all(&folder)?;
    match words.first().map(String::as_str) {
        Some("echo") => {
            let port = words.get(1).and_then(|port| port.parse().ok()).ok_or_else(|| io::Error::other("echo PORT"))?;
            echo::serve(port)?;
            Ok(true)
        }
        Some("instructions") => {
            let baseline =
                PathBuf::from(option(words, "--baseline").unwrap_or_else(|| "tests/bench/instructions.txt".to_owned()));
            instructions::run(
                &programs,
                &folder,
                &baseline,
                words.iter().any(|word| word == "--record"),
                option(words, "--load").as_deref(),
                words.iter().any(|word| word == "--regressions"),
            )
        }
        Some(what @ ("names" | "flips" | "reload" | "probes")) => {
            let rounds = number(words, "--rounds", 5)?;
            match what {
                "names" => scale::names(&programs, &folder, number(words, "--count", 1_000_000)?, rounds)?,
                "flips" => scale::flips(&programs, &folder, number(words, "--count", 100_000)?, rounds)?,
                "reload" => scale::reload(&programs, &folder, number(words, "--count", 1_000_000)?)?,
                _ => scale::probes(&programs, &folder, number(words, "--count", 5_000)?, rounds)?,
            }
            Ok(true)
        }
        Some("flood") => {
            let wanted = flood::Flood {
                sources: number(words, "--sources", 100_000)?,
                limit: number(words, "--limit", 20)?,
                times: number(words, "--times", 11)?,
                seconds: number(words, "--seconds", 20)?,
            };
            flood::run(&wanted, &programs, &folder)
        }
        Some("flood-clients") => flood::clients(words.get(1..).unwrap_or_default()).map(|()| true),
        Some("compare") => {
            let list = |name: &str, default: &str| {
                option(words, name).unwrap_or_else(|| default.to_owned()).split(',').map(str::to_owned).collect()
            };
            let wanted = compare::Comparison {
                peers: list("--peers", &configurations::ALL.join(",")),
                references: list("--by", "echo,gdnsd"),
                loads: list("--loads", "weighted,mix"),
                rounds: number(words, "--rounds", 15)?,
                time: std::time::Duration::from_millis(number(words, "--milliseconds", 2_000)?),
            };
            compare::run(&wanted, &programs, &folder)?;
            Ok(true)
        }
        _ => Err(io::Error::other(
            "compare | flood | names | flips | reload | probes | echo PORT | instructions [--record] [--regressions] [--load NAME]   [--program FILE] [--folder DIR]",
        )),
    }
}
