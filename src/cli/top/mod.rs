//! `top`: everything live in the terminal, and nothing that changes anything.
//!
//! [`model`] knows and [`draw`] shows, both pure; [`feed`] speaks to the server; this file owns the terminal
//! and gives it back however the view ends.

mod bar;
mod draw;
mod facts;
mod feed;
mod keys;
mod model;
mod painted;
mod sse;

use super::client::{Call, Client};
use super::exit::{Exit, Failure};
use super::print::Tone;
use super::terminal;
use crate::admin::report::Status;
use crate::clock;
use draw::{Drawn, draw};
use keys::{Key, key};
use model::{Model, News};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event;
use ratatui::style::Style;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Clocks on the screen move this often.
const TICK: Duration = Duration::from_millis(250);

/// The thread that reads keys looks this often whether it is still wanted.
const KEY_WAIT: Duration = Duration::from_millis(200);

/// Things on their way to the loop.
const QUEUE: usize = 64;

/// The style of a tone.
fn style(tone: Tone, colour: bool) -> Style {
    draw::tone_style(tone, colour)
}

/// Refuses where nobody could look at it.
///
/// # Errors
/// Usage: what to do instead.
pub(super) fn may_open(json: bool) -> Result<(), Failure> {
    if json {
        return Err(Failure::usage("top is for people; programs read `tidegate status --json`, or GET /v1/events"));
    }
    if !terminal::is_interactive() {
        return Err(Failure::usage(
            "top needs a terminal to draw on and to read keys from; in a script use `tidegate status --json`",
        ));
    }
    Ok(())
}

/// Shows it until the person leaves.
///
/// # Errors
/// When the first status cannot be read, or the terminal fails.
pub(super) async fn run(client: Client, switch: Option<String>) -> Result<Exit, Failure> {
    let status: Status = client.send(Call::get(&["status"])).await?.read()?;
    if let Some(name) = &switch {
        // The server's own words for a name that is none.
        client.send(Call::get(&["switches", name])).await?;
    }
    let model = Model::new(client.destination().address.clone(), status, switch, clock::now());
    let colour = terminal::has_colour();
    ratatui::crossterm::style::force_color_output(colour);
    let broken = |error: std::io::Error| Failure::failed(format!("the terminal fails: {error}"));
    let screen = ratatui::try_init().map_err(broken)?;
    // Restores the terminal when this function is left by an error too; a panic is the hook's of `try_init`.
    let _restored = Restored;
    show(screen, Arc::new(client), model, colour).await.map_err(broken)?;
    Ok(Exit::Done)
}

/// Gives the terminal back when it goes.
struct Restored;

impl Drop for Restored {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Tasks that end with the view.
struct Tasks(Vec<AbortHandle>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

/// The loop: news, keys and time in, screens out.
async fn show(mut screen: DefaultTerminal, client: Arc<Client>, mut model: Model, colour: bool) -> std::io::Result<()> {
    let (news_in, mut news) = mpsc::channel(QUEUE);
    let (asks, asked) = mpsc::channel(QUEUE);
    let follow = tokio::spawn(feed::follow(client.clone(), news_in.clone())).abort_handle();
    let answer = tokio::spawn(feed::answer(client, asked, news_in)).abort_handle();
    let _tasks = Tasks(vec![follow, answer]);
    let mut keys = read_keys();
    let mut ended = signal(SignalKind::terminate())?;
    let mut hung_up = signal(SignalKind::hangup())?;
    let mut tick = tokio::time::interval(TICK);
    let mut drawn = Drawn::default();
    loop {
        let now = clock::now();
        for ask in model.asks(now) {
            if asks.try_send(ask).is_err() {
                model.hear(News::Unread("the server is slow to answer".to_owned()), now);
            }
        }
        screen.draw(|frame| drawn = draw(frame, &model, colour, now))?;
        model.hold_within(drawn.last_line);
        tokio::select! {
            told = news.recv() => told.into_iter().for_each(|told| model.hear(told, clock::now())),
            pressed = keys.recv() => match pressed {
                Some(Pressed::Key(key)) if model.press(key, drawn.page, clock::now()) => {}
                Some(Pressed::Other) => {}
                Some(Pressed::Key(_)) | None => return Ok(()),
            },
            _ = tick.tick() => {}
            _ = ended.recv() => return Ok(()),
            _ = hung_up.recv() => return Ok(()),
        }
    }
}

/// What a terminal sent.
enum Pressed {
    /// A key that means something.
    Key(Key),
    /// A new size, or a key that means nothing: drawn anew.
    Other,
}

/// A thread that reads keys, since reading them blocks; it ends when nobody takes them or the terminal is gone.
fn read_keys() -> mpsc::Receiver<Pressed> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    std::thread::spawn(move || {
        while !sender.is_closed() {
            match event::poll(KEY_WAIT) {
                Ok(false) => continue,
                Ok(true) => {}
                Err(_) => return,
            }
            let Ok(event) = event::read() else { return };
            let pressed = key(&event).map_or(Pressed::Other, Pressed::Key);
            if sender.blocking_send(pressed).is_err() {
                return;
            }
        }
    });
    receiver
}
