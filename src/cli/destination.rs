//! Which server a verb talks to, and with which token.
//!
//! Flags come before the environment, that before the current context, then a running demo, then
//! the default address. A token found beside an address is only ever sent to that address.

mod token;

use super::args::Connection;
use super::contexts::{Context, Contexts};
use super::exit::Failure;
use super::trust::Trust;
use crate::demo::context::DemoContext;
use std::path::PathBuf;
use token::{Beside, Found, token_for};

/// Where the server is when nothing says otherwise.
pub(super) const DEFAULT_ADDRESS: &str = "http://127.0.0.1:8053";

/// What pointed there.
const DEFAULT_ORIGIN: &str = "the default";

/// Where its first token is.
pub(super) const DEFAULT_TOKEN_FILE: &str = "/var/lib/tidegate/admin-token";

/// A server with a token for it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Destination {
    /// Scheme, host and port.
    pub address: String,
    /// What is sent as bearer token.
    pub token: Option<String>,
    /// Where the token comes from, in words.
    pub token_origin: Option<String>,
    /// Where the address comes from, in words.
    pub origin: String,
    /// What TLS goes by.
    pub trust: Trust,
    /// Whether it is a running demo.
    pub demo: bool,
    /// What is not as it should be, and no reason to stop.
    pub warning: Option<String>,
}

impl Destination {
    /// Whether nothing pointed anywhere.
    pub(super) fn is_default(&self) -> bool {
        self.origin == DEFAULT_ORIGIN
    }
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Destination")
            .field("address", &self.address)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// What the surroundings say; read once, so that tests can say it instead.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// `TIDEGATE_ADDRESS`.
    pub address: Option<String>,
    /// `TIDEGATE_TOKEN`.
    pub token: Option<String>,
    /// `TIDEGATE_TOKEN_FILE`.
    pub token_file: Option<PathBuf>,
    /// `TIDEGATE_CA_FILE`, `TIDEGATE_CLIENT_CERT`, `TIDEGATE_CLIENT_KEY`.
    pub trust: Trust,
    /// `contexts.toml`.
    pub contexts: Option<PathBuf>,
    /// A demo that runs.
    pub demo: Option<DemoContext>,
    /// The first token of a server on this machine.
    pub default_token_file: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub(super) fn of_process() -> Self {
        let text = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let configs = std::env::var_os("XDG_CONFIG_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
        let configs = configs.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")));
        Self {
            address: text("TIDEGATE_ADDRESS"),
            token: text("TIDEGATE_TOKEN"),
            token_file: text("TIDEGATE_TOKEN_FILE").map(PathBuf::from),
            trust: Trust {
                ca: text("TIDEGATE_CA_FILE").map(PathBuf::from),
                client_cert: text("TIDEGATE_CLIENT_CERT").map(PathBuf::from),
                client_key: text("TIDEGATE_CLIENT_KEY").map(PathBuf::from),
            },
            contexts: configs.map(|folder| folder.join("tidegate/contexts.toml")),
            demo: DemoContext::running(),
            default_token_file: Some(PathBuf::from(DEFAULT_TOKEN_FILE)),
        }
    }
}

/// Decides.
///
/// # Errors
/// A file that is needed but unreadable, an unknown context, an address that is none.
pub(super) fn resolve(connection: &Connection, around: &Surroundings) -> Result<Destination, Failure> {
    match look(connection, around)? {
        (_, Some(failure)) => Err(failure),
        (destination, None) => Ok(destination),
    }
}

/// The same, with what keeps the token from being read beside it, for those who only look.
///
/// # Errors
/// An unknown context, an address that is none.
pub(super) fn look(connection: &Connection, around: &Surroundings) -> Result<(Destination, Option<Failure>), Failure> {
    let Place { address, beside, origin, trust, demo, warning } = place(connection, around)?;
    let address = normal(&address)?;
    let trust = trust.and_then(|(at, trust)| (normal(&at).ok().as_ref() == Some(&address)).then_some(trust));
    let around_it = if connection.context.is_none() { around.trust.clone() } else { Trust::default() };
    let trust = connection.trust.clone().or(around_it).or(trust.unwrap_or_default());
    let token = token_for(&address, connection, around, beside);
    let (found, failure) = token.map_or_else(|failure| (None, Some(failure)), |found| (found, None));
    let (token, token_origin) = found.map_or((None, None), |Found { token, origin }| (Some(token), Some(origin)));
    Ok((Destination { address, token, token_origin, origin, trust, demo, warning }, failure))
}

/// An address with what belongs to it.
struct Place {
    address: String,
    /// Addresses and what may hold a token for them.
    beside: Vec<(String, Beside)>,
    /// What TLS to an address goes by.
    trust: Option<(String, Trust)>,
    origin: String,
    demo: bool,
    warning: Option<String>,
}

/// The address, from the first source that has one.
fn place(connection: &Connection, around: &Surroundings) -> Result<Place, Failure> {
    let given = connection.address.is_some() || (around.address.is_some() && connection.context.is_none());
    let (context, warning) = match context(connection, around) {
        // The address is known, and nobody named a context: the current one could only have added to it.
        Err(failure) if given && connection.context.is_none() => {
            (None, Some(format!("warning: the current context is left aside: {}", failure.sentence)))
        }
        chosen => chosen?,
    };
    let beside_context = context
        .as_ref()
        .map(|(name, context)| (context.address.clone(), Beside::Context(name.clone(), context.clone())));
    let trust = context.as_ref().map(|(_, context)| (context.address.clone(), context.trust()));
    let beside_demo = around.demo.as_ref().map(|demo| {
        let found = Found { token: demo.token.clone(), origin: "the running demo".to_owned() };
        (demo.address.clone(), Beside::Demo(found))
    });
    let beside = beside_context.into_iter().chain(beside_demo).collect();
    let (address, origin, demo) = match (&connection.address, &around.address, &connection.context, context) {
        (Some(address), ..) => (address.clone(), "--address".to_owned(), false),
        (None, Some(address), None, _) => (address.clone(), "TIDEGATE_ADDRESS".to_owned(), false),
        (None, _, _, Some((name, context))) => (context.address, format!("context `{name}`"), false),
        _ => match &around.demo {
            Some(demo) => (demo.address.clone(), "the running demo".to_owned(), true),
            None => (DEFAULT_ADDRESS.to_owned(), DEFAULT_ORIGIN.to_owned(), false),
        },
    };
    Ok(Place { address, beside, trust, origin, demo, warning })
}

/// A context with its name, where one is named or current, and what to warn of.
type Chosen = (Option<(String, Context)>, Option<String>);

/// The context that is named or current.
fn context(connection: &Connection, around: &Surroundings) -> Result<Chosen, Failure> {
    let Some(path) = &around.contexts else {
        return match &connection.context {
            Some(name) => Err(Failure::usage(format!("no context `{name}`: neither XDG_CONFIG_HOME nor HOME is set"))),
            None => Ok((None, None)),
        };
    };
    let contexts = Contexts::read(path)?;
    let Some(name) = connection.context.clone().or_else(|| contexts.current.clone()) else { return Ok((None, None)) };
    let context = contexts.named(&name, path)?.clone();
    Ok((Some((name, context)), contexts.warning(path)))
}

/// Scheme, host and port without a trailing slash; `http://` when there is no scheme.
pub(super) fn normal(address: &str) -> Result<String, Failure> {
    let address = address.trim();
    let full = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let wrong =
        || Failure::usage(format!("`{address}` is no address of an admin interface: it looks like {DEFAULT_ADDRESS}"));
    let url = reqwest::Url::parse(&full).map_err(|_| wrong())?;
    let plain = url.path() == "/" && url.query().is_none() && url.username().is_empty() && url.password().is_none();
    if !plain || url.host_str().is_none() || !matches!(url.scheme(), "http" | "https") {
        return Err(wrong());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Whether an address leads to this machine.
#[must_use]
pub(super) fn is_loopback(address: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(address) else { return false };
    url.host_str().is_some_and(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that is removed with its contents.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("tidegate-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.join(name);
            std::fs::write(&path, text).unwrap();
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn demo() -> DemoContext {
        DemoContext { address: "http://127.0.0.1:8099".into(), token: "tg_demo_x".into(), ..DemoContext::default() }
    }

    fn at(address: &str) -> Connection {
        Connection { address: Some(address.into()), ..Connection::default() }
    }

    #[test]
    fn sources_are_asked_in_their_order() {
        let folder = Folder::new("order");
        let contexts = folder.file("contexts.toml", "current = \"a\"\n[context.a]\naddress = \"https://a.test\"\ntoken = \"tg_a_x\"\n[context.b]\naddress = \"b.test:80\"\n");
        let mut around =
            Surroundings { default_token_file: Some(folder.file("first", "tg_first_x\n")), ..Surroundings::default() };
        let ask = |connection: &Connection, around: &Surroundings| {
            let found = resolve(connection, around).unwrap();
            (found.address, found.token.unwrap_or_default(), found.demo)
        };
        let none = Connection::default();
        assert_eq!(ask(&none, &around), (DEFAULT_ADDRESS.into(), "tg_first_x".into(), false));
        around.demo = Some(demo());
        assert_eq!(ask(&none, &around), ("http://127.0.0.1:8099".into(), "tg_demo_x".into(), true));
        around.contexts = Some(contexts);
        assert_eq!(ask(&none, &around), ("https://a.test".into(), "tg_a_x".into(), false));
        let named = Connection { context: Some("b".into()), ..Connection::default() };
        assert_eq!(ask(&named, &around).0, "http://b.test");
        around.address = Some("http://env.test:1".into());
        around.token = Some("tg_env_x".into());
        assert_eq!(ask(&none, &around), ("http://env.test:1".into(), "tg_env_x".into(), false));
        assert_eq!(ask(&named, &around).0, "http://b.test", "a named context is not the environment's");
        let flags = Connection { token_file: Some(folder.file("flag", "tg_flag_x")), ..at("http://flag.test") };
        assert_eq!(ask(&flags, &around), ("http://flag.test".into(), "tg_flag_x".into(), false));
    }

    #[test]
    fn a_token_is_never_sent_to_an_address_it_does_not_belong_to() {
        let folder = Folder::new("leak");
        let around = Surroundings {
            demo: Some(demo()),
            default_token_file: Some(folder.file("first", "tg_first_x")),
            ..Surroundings::default()
        };
        let token = |address: &str| resolve(&at(address), &around).unwrap().token;
        assert_eq!(token("http://evil.test"), None);
        assert_eq!(token("http://127.0.0.1:8099/").as_deref(), Some("tg_demo_x"));
        assert_eq!(token("127.0.0.1:9").as_deref(), Some("tg_first_x"));
        assert_eq!(token("http://[::1]:9").as_deref(), Some("tg_first_x"));
    }

    #[test]
    fn tls_goes_by_flags_then_the_environment_then_the_context_of_that_address() {
        let folder = Folder::new("trust");
        let contexts = folder.file(
            "contexts.toml",
            "current = \"a\"\n[context.a]\naddress = \"https://a.test\"\nca_file = \"/a\"\nclient_cert = \"/ac\"\nclient_key = \"/ak\"\n",
        );
        let mut around = Surroundings { contexts: Some(contexts), ..Surroundings::default() };
        let ca = |connection: &Connection, around: &Surroundings| {
            let trust = resolve(connection, around).unwrap().trust;
            (trust.ca.unwrap_or_default().display().to_string(), trust.client_cert.is_some())
        };
        let none = Connection::default();
        assert_eq!(ca(&none, &around), ("/a".into(), true));
        assert_eq!(ca(&at("https://b.test"), &around), (String::new(), false), "another server's");
        around.trust.ca = Some("/env".into());
        assert_eq!(ca(&none, &around), ("/env".into(), true));
        let named = Connection { context: Some("a".into()), ..Connection::default() };
        assert_eq!(ca(&named, &around), ("/a".into(), true), "a named context is not the environment's");
        let flag = Connection { trust: Trust { ca: Some("/flag".into()), ..Trust::default() }, ..named };
        assert_eq!(ca(&flag, &around), ("/flag".into(), true));
    }

    #[test]
    fn a_broken_current_context_hinders_nobody_who_does_without_it() {
        let folder = Folder::new("broken");
        let gone = "[context.a]\naddress = \"https://a.test\"\ntoken_file = \"/no-such/token\"\n";
        let token = Some(folder.file("flag", "tg_flag_x"));
        for (text, what) in [
            (format!("current = \"a\"\n{gone}"), ""),
            (format!("current = \"gone\"\n{gone}"), "no context `gone`"),
            ("curent = \"a\"\n".to_owned(), "not valid"),
        ] {
            let contexts = Some(folder.file("contexts.toml", &text));
            let mut around = Surroundings { contexts, ..Surroundings::default() };
            let flags = Connection { token_file: token.clone(), ..at("https://b.test") };
            let found = resolve(&flags, &around).unwrap();
            assert_eq!(found.token.as_deref(), Some("tg_flag_x"));
            let warning = found.warning.unwrap_or_default();
            assert!(warning.contains(what) && warning.is_empty() == what.is_empty(), "{warning}");
            assert_eq!(resolve(&at("https://b.test"), &around).unwrap().token, None);
            let none = Connection::default();
            assert!(resolve(&none, &around).is_err(), "here it is needed");
            let named = Connection { context: Some("gone".into()), ..flags };
            assert!(resolve(&named, &around).is_err(), "what is named must be there");
            around.address = Some("https://env.test".into());
            around.token = Some("tg_env_x".into());
            assert_eq!(resolve(&none, &around).unwrap().token.as_deref(), Some("tg_env_x"));
        }
        let contexts = Some(folder.file("contexts.toml", &format!("current = \"a\"\n{gone}")));
        let mut around = Surroundings { contexts, ..Surroundings::default() };
        let (shown, failure) = look(&Connection::default(), &around).unwrap();
        assert!(shown.address == "https://a.test" && failure.unwrap().sentence.contains("/no-such/token"));
        assert!(resolve(&at("https://a.test"), &around).is_err(), "the token of that address cannot be read");
        around.token = Some("tg_env_x".into());
        let found = resolve(&Connection::default(), &around).unwrap();
        assert_eq!((found.address.as_str(), found.token.as_deref()), ("https://a.test", Some("tg_env_x")));
    }

    #[test]
    fn what_is_named_must_be_there() {
        let around = Surroundings { contexts: Some("/no-such/contexts.toml".into()), ..Surroundings::default() };
        let named = Connection { context: Some("b".into()), ..Connection::default() };
        assert!(resolve(&named, &around).unwrap_err().sentence.contains("no context `b`"));
        let file = Connection { token_file: Some("/no-such/token".into()), ..Connection::default() };
        assert!(resolve(&file, &around).is_err());
        for wrong in ["", "ftp://a.test", "http://", "http://a.test/v1", "http://u:p@a.test", "a b"] {
            assert!(resolve(&at(wrong), &around).is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn a_destination_never_prints_its_token() {
        let around = Surroundings { demo: Some(demo()), ..Surroundings::default() };
        assert!(!format!("{:?}", resolve(&Connection::default(), &around).unwrap()).contains("tg_demo"));
    }
}
