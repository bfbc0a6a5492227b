//! `member list`, `register`, `remove`.

use super::{Session, guarded};
use crate::admin::Replied;
use crate::admin::members::Registered;
use crate::admin::report::SwitchView;
use crate::admin::requests::{Addresses, PlainBody, RegisterBody};
use crate::cli::args::MemberVerb;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Failure};
use crate::cli::print::{Tone, change, switch, times};
use reqwest::Method;

/// Runs one of them.
pub(super) async fn run(session: &Session, verb: MemberVerb) -> Result<Exit, Failure> {
    match verb {
        MemberVerb::List { switch, .. } => {
            session.show::<SwitchView>(Call::get(&["switches", &switch]), switch::show_members).await
        }
        MemberVerb::Register(args) => {
            let body = RegisterBody {
                address: Addresses::Several(args.addresses),
                weight: args.weight,
                version: args.version,
                ttl: args.ttl,
                reason: args.reason,
                dry_run: args.dry_run,
            };
            let path = ["switches", &args.switch, "pools", &args.pool, "members", &args.id];
            let call = Call::with_body(Method::PUT, &path, &body)?;
            session
                .show::<Registered>(call, |page, told| {
                    let done = if !told.changed {
                        "renewed"
                    } else if body.dry_run {
                        "would be registered; this was a dry run, nothing changed"
                    } else {
                        "registered"
                    };
                    page.line(Tone::Good, &format!("{} {done}, revision {}", args.id, told.revision));
                    let (lasts, due) = (times::brief(told.ttl_ms), times::brief(told.renew_within_ms));
                    page.paragraph(
                        Tone::Plain,
                        "  ",
                        &format!("lasts {lasts}: send the same again every {due}; it is answered once its probes pass"),
                    );
                    told.notes.iter().for_each(|note| page.paragraph(Tone::Warn, "note: ", note));
                })
                .await
        }
        MemberVerb::Remove(args) => {
            let body = PlainBody {
                reason: args.guards.reason.clone(),
                force: args.guards.force,
                dry_run: args.guards.dry_run,
            };
            let path = ["switches", &args.switch, "pools", &args.pool, "members", &args.id];
            let call = guarded(Call::with_body(Method::DELETE, &path, &body)?, &args.guards);
            let done = format!("{} removed from {}", args.id, args.pool);
            session.show::<Replied>(call, |page, replied| change::show(page, &done, replied)).await
        }
    }
}
