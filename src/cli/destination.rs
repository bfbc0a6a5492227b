//! Which server a verb talks to, and with which token.
//!
//! Flags come before the environment, that before the current context, then a running demo, then
//! the default address. A token found beside an address is only ever sent to that address.

use super::args::Connection;
use super::exit::Failure;
use crate::demo::context::DemoContext;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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
    /// Where the address comes from, in words.
    pub origin: String,
    /// Whether it is a running demo.
    pub demo: bool,
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
            contexts: configs.map(|folder| folder.join("tidegate/contexts.toml")),
            demo: DemoContext::running(),
            default_token_file: Some(PathBuf::from(DEFAULT_TOKEN_FILE)),
        }
    }
}

/// `contexts.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contexts {
    /// The context that is used without `--context`.
    current: Option<String>,
    /// By name.
    #[serde(default, rename = "context")]
    contexts: BTreeMap<String, Context>,
}

/// One server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Context {
    address: String,
    token: Option<String>,
    token_file: Option<PathBuf>,
}

/// Decides.
///
/// # Errors
/// A file that is named but unreadable, an unknown context, an address that is none.
pub(super) fn resolve(connection: &Connection, around: &Surroundings) -> Result<Destination, Failure> {
    let explicit_token = explicit_token(connection, around)?;
    let (address, beside, origin, demo) = place(connection, around)?;
    let address = normal(&address)?;
    let beside =
        beside.into_iter().find_map(|(at, token)| (normal(&at).ok().as_ref() == Some(&address)).then_some(token));
    let token = explicit_token.or(beside).or_else(|| default_token(&address, around));
    Ok(Destination { address, token, origin, demo })
}

/// A token that flags or the environment name.
fn explicit_token(connection: &Connection, around: &Surroundings) -> Result<Option<String>, Failure> {
    if let Some(path) = &connection.token_file {
        return read_token(path).map(Some);
    }
    if connection.context.is_some() {
        return Ok(None);
    }
    match (&around.token, &around.token_file) {
        (Some(token), _) => Ok(Some(token.trim().to_owned())),
        (None, Some(path)) => read_token(path).map(Some),
        (None, None) => Ok(None),
    }
}

/// Address, the addresses and tokens that belong together, where that comes from, whether it is a demo.
type Place = (String, Vec<(String, String)>, String, bool);

/// The address, from the first source that has one.
fn place(connection: &Connection, around: &Surroundings) -> Result<Place, Failure> {
    let context = context(connection, around)?;
    let beside_context = match &context {
        Some((_, context)) => token_of(context)?.map(|token| (context.address.clone(), token)),
        None => None,
    };
    let beside_demo = around.demo.as_ref().map(|demo| (demo.address.clone(), demo.token.clone()));
    let beside = beside_context.into_iter().chain(beside_demo).collect();
    if let Some(address) = &connection.address {
        return Ok((address.clone(), beside, "--address".to_owned(), false));
    }
    if let (Some(address), None) = (&around.address, &connection.context) {
        return Ok((address.clone(), beside, "TIDEGATE_ADDRESS".to_owned(), false));
    }
    if let Some((name, context)) = context {
        return Ok((context.address, beside, format!("context `{name}`"), false));
    }
    match &around.demo {
        Some(demo) => Ok((demo.address.clone(), beside, "the running demo".to_owned(), true)),
        None => Ok((DEFAULT_ADDRESS.to_owned(), beside, DEFAULT_ORIGIN.to_owned(), false)),
    }
}

/// The context that is named or current.
fn context(connection: &Connection, around: &Surroundings) -> Result<Option<(String, Context)>, Failure> {
    let contexts = match &around.contexts {
        Some(path) => read_contexts(path)?,
        None => Contexts::default(),
    };
    let Some(name) = connection.context.clone().or(contexts.current) else { return Ok(None) };
    match contexts.contexts.get(&name) {
        Some(context) => Ok(Some((name, context.clone()))),
        None => {
            let file =
                around.contexts.as_ref().map_or_else(|| "contexts.toml".to_owned(), |path| path.display().to_string());
            let known: Vec<_> = contexts.contexts.keys().cloned().collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Err(Failure::usage(format!("{file} has no context `{name}` (it has: {known})")))
        }
    }
}

/// The file of contexts; an absent one is empty.
fn read_contexts(path: &Path) -> Result<Contexts, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            toml::from_str(&text).map_err(|error| Failure::usage(format!("{} is not valid: {error}", path.display())))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Contexts::default()),
        Err(error) => Err(Failure::usage(format!("cannot read {}: {error}", path.display()))),
    }
}

/// The token of a context.
fn token_of(context: &Context) -> Result<Option<String>, Failure> {
    match (&context.token, &context.token_file) {
        (Some(token), _) => Ok(Some(token.trim().to_owned())),
        (None, Some(path)) => read_token(path).map(Some),
        (None, None) => Ok(None),
    }
}

/// The first token of a server on this machine, for addresses on this machine only.
fn default_token(address: &str, around: &Surroundings) -> Option<String> {
    if !is_loopback(address) {
        return None;
    }
    // Unreadable for this user is the ordinary case, and the server will say what is missing.
    around.default_token_file.as_ref().and_then(|path| read_token(path).ok())
}

/// A token file's first line.
fn read_token(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read the token file {}: {error}", path.display())))?;
    match text.lines().next().map(str::trim) {
        Some(token) if !token.is_empty() => Ok(token.to_owned()),
        _ => Err(Failure::usage(format!("the token file {} is empty", path.display()))),
    }
}

/// Scheme, host and port without a trailing slash; `http://` when there is no scheme.
fn normal(address: &str) -> Result<String, Failure> {
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
