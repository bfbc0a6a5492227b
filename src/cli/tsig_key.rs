//! `tidegate tsig-key`: a fresh key, in the forms that both sides read.

use super::args::TsigKeyArgs;
use super::exit::{Exit, Failure};
use super::terminal;
use crate::clock;
use crate::dns::Name;
use crate::dns::tsig::Algorithm;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

/// Prints a key.
pub(super) fn run(args: &TsigKeyArgs) -> Result<Exit, Failure> {
    let name: Name = args
        .name
        .parse()
        .map_err(|problem| Failure::usage(format!("`{}` is not a domain name: {problem}", args.name)))?;
    let algorithm: Algorithm = args
        .algorithm
        .parse()
        .map_err(|problem: crate::dns::tsig::UnknownAlgorithm| Failure::usage(problem.to_string()))?;
    let mut secret = vec![0; algorithm.mac_len()];
    clock::random_bytes(&mut secret);
    let secret = STANDARD.encode(secret);
    let text = if args.json {
        format!("{}\n", json!({ "name": name.to_string(), "algorithm": algorithm.word(), "secret": secret }))
    } else {
        format!(
            "# For tidegate.toml:\n\
             [tsig.keys.\"{name}\"]\n\
             algorithm = \"{algorithm}\"\n\
             secret = \"{secret}\"\n\
             \n\
             # For BIND's named.conf, or a file for `nsupdate -k` and `dig -k`:\n\
             key \"{name}\" {{\n\
             \talgorithm {algorithm};\n\
             \tsecret \"{secret}\";\n\
             }};\n"
        )
    };
    terminal::print(&text);
    Ok(Exit::Done)
}
