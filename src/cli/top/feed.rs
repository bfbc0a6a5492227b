//! The server's events and its status, for as long as the view is open: comes back when either is cut off.

use super::model::{Ask, News};
use super::sse::{Event, Reader};
use crate::admin::history::HistoryPage;
use crate::admin::report::{Happening, Status};
use crate::cli::client::{Call, Client};
use crate::cli::exit::Failure;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Time for the server to begin an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Two of the server's comment lines may get lost before the stream counts as cut.
const SILENCE_LIMIT: Duration = Duration::from_secs(40);

/// Pauses before coming back: doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));

/// Changes shown of a switch.
const CHANGES: u32 = 10;

/// Answers what is asked, one thing after the other.
pub(super) async fn answer(client: Arc<Client>, mut asks: mpsc::Receiver<Ask>, news: mpsc::Sender<News>) {
    while let Some(ask) = asks.recv().await {
        let answer = match ask {
            Ask::Status => status(&client).await,
            Ask::History(switch) => match history(&client, &switch).await {
                Ok(page) => News::History(switch, Box::new(page)),
                // The changes shown stay; the next reading of the status says what is wrong with the server.
                Err(_) => continue,
            },
        };
        if news.send(answer).await.is_err() {
            return;
        }
    }
}

async fn status(client: &Client) -> News {
    let begun = crate::clock::boot_ms();
    let answer = client.send(Call::get(&["status"])).await;
    match answer.and_then(|answer| answer.read::<Status>()) {
        Ok(status) => News::Status(Box::new(status), crate::clock::boot_ms().saturating_sub(begun)),
        Err(failure) => News::Unread(failure.sentence),
    }
}

async fn history(client: &Client, switch: &str) -> Result<HistoryPage, Failure> {
    let call = Call::get(&["history"]).query("switch", Some(switch)).query("limit", Some(CHANGES));
    client.send(call).await?.read()
}

/// Listens, and comes back when it is cut off, to where it was.
pub(super) async fn follow(client: Arc<Client>, news: mpsc::Sender<News>) {
    let mut last_seen = None;
    let mut pause = PAUSES.0;
    loop {
        let (linked, why) = listen(&client, &mut last_seen, &news).await;
        if linked {
            pause = PAUSES.0;
        }
        if news.send(News::Cut(why.sentence)).await.is_err() {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// One stream to its end: whether there was one, and why it ended.
async fn listen(client: &Client, last_seen: &mut Option<String>, news: &mpsc::Sender<News>) -> (bool, Failure) {
    let ended = || Failure::failed("the server ended the stream of events; it may be restarting");
    let silent = || Failure::failed("the server's stream of events fell silent");
    let call = Call::get(&["events"]).header("Last-Event-ID", last_seen.as_ref());
    let mut stream = match tokio::time::timeout(ANSWER_LIMIT, client.open(call)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(failure)) => return (false, failure),
        Err(_) => return (false, silent()),
    };
    let mut reader = Reader::default();
    let mut linked = false;
    loop {
        let piece = match tokio::time::timeout(SILENCE_LIMIT, stream.chunk()).await {
            Ok(Ok(Some(piece))) => piece,
            Ok(Ok(None) | Err(_)) => return (linked, ended()),
            Err(_) => return (linked, silent()),
        };
        let Some(events) = reader.take(&piece) else {
            return (linked, Failure::failed("what the server sends is no stream of events"));
        };
        for event in events {
            linked = true;
            let Some(told) = news_of(&event) else { continue };
            if event.id.is_some() {
                last_seen.clone_from(&event.id);
            }
            if news.send(told).await.is_err() {
                return (linked, ended());
            }
        }
    }
}

/// What an event says; kinds that a newer server may have are passed over.
fn news_of(event: &Event) -> Option<News> {
    match event.name.as_str() {
        "connected" | "lagged" => Some(News::Linked),
        _ => serde_json::from_str::<Happening>(&event.data).ok().map(|happening| News::Happened(Box::new(happening))),
    }
}
