//! TCP: pipelining, limits, slow and rude clients.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

async fn read_reply(stream: &mut (impl AsyncReadExt + Unpin)) -> std::io::Result<Vec<u8>> {
    timeout(LIMIT, async {
        let mut reply = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut reply).await?;
        Ok(reply)
    })
    .await
    .expect("a reply or an end in time")
}

async fn ask(stream: &mut TcpStream, id: u16) {
    stream.write_all(&framed(&query(id, "name"))).await.unwrap();
    assert!(answers(&read_reply(stream).await.unwrap(), &query(id, "name")));
}

/// Waits until the server has closed, by FIN or reset.
async fn assert_closed(stream: &mut TcpStream) {
    let mut byte = [0];
    let read = timeout(LIMIT, stream.read(&mut byte)).await.expect("closed in time");
    assert!(matches!(read, Ok(0) | Err(_)), "closed without another byte");
}

#[tokio::test]
async fn thousands_of_pipelined_queries_are_answered_in_order() {
    let running = start(settings("127.0.0.1:0"));
    let (mut reader, mut writer) = TcpStream::connect(running.address).await.unwrap().into_split();
    let ids = 0..10_000u16;
    let sending = tokio::spawn(async move {
        let all: Vec<u8> = ids.flat_map(|id| framed(&query(id, &"y".repeat(1 + usize::from(id % 60))))).collect();
        writer.write_all(&all).await.unwrap();
        writer
    });
    for id in 0..10_000 {
        assert!(answers(&read_reply(&mut reader).await.unwrap(), &query(id, &"y".repeat(1 + usize::from(id % 60)))));
    }
    sending.await.unwrap();
    running.listening.shutdown().await;
}

#[tokio::test]
async fn a_query_may_come_byte_by_byte() {
    let running = start(settings("127.0.0.1:0"));
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in framed(&query(9, "name")) {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(answers(&read_reply(&mut stream).await.unwrap(), &query(9, "name")));
    running.listening.shutdown().await;
}

#[tokio::test]
async fn the_longest_query_is_accepted() {
    let running = start(settings("127.0.0.1:0"));
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    // A short query follows in the same write, so that both cross the buffer's end.
    let mut long = query(1, "name");
    long.resize(65_000, 0);
    let mut both = framed(&long);
    both.extend_from_slice(&framed(&query(2, "name")));
    stream.write_all(&both).await.unwrap();
    let first = read_reply(&mut stream).await.unwrap();
    let last = if first[..2] == [0, 1] { read_reply(&mut stream).await.unwrap() } else { first };
    assert!(answers(&last, &query(2, "name")));
    running.listening.shutdown().await;
}

#[tokio::test]
async fn a_half_closed_client_gets_its_answers() {
    let running = start(settings("127.0.0.1:0"));
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(&[framed(&query(1, "a")), framed(&query(2, "b"))].concat()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert!(answers(&read_reply(&mut stream).await.unwrap(), &query(1, "a")));
    assert!(answers(&read_reply(&mut stream).await.unwrap(), &query(2, "b")));
    assert_closed(&mut stream).await;
    running.listening.shutdown().await;
}

#[tokio::test]
async fn a_length_that_cannot_be_a_query_closes_after_what_came_before_is_answered() {
    let running = start(settings("127.0.0.1:0"));
    for (closed, length) in (1..).zip([0u16, 1, 11]) {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let mut bytes = framed(&query(5, "name"));
        bytes.extend_from_slice(&length.to_be_bytes());
        stream.write_all(&bytes).await.unwrap();
        assert!(answers(&read_reply(&mut stream).await.unwrap(), &query(5, "name")));
        assert_closed(&mut stream).await;
        running.until_counted(Count::Malformed, closed).await;
    }
    running.listening.shutdown().await;
}

#[tokio::test]
async fn a_silent_client_is_closed_when_idle_and_one_that_sends_garbage_too() {
    let running = start(limited(StreamLimits { idle: Duration::from_millis(150), ..StreamLimits::default() }));
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    assert_closed(&mut silent).await;
    let mut response = query(1, "name");
    response[2] |= 0x80;
    let (mut reader, mut writer) = TcpStream::connect(running.address).await.unwrap().into_split();
    let garbage = tokio::spawn(async move {
        while writer.write_all(&framed(&response)).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let mut byte = [0];
    assert!(matches!(timeout(LIMIT, reader.read(&mut byte)).await.unwrap(), Ok(0) | Err(_)));
    timeout(LIMIT, garbage).await.unwrap().unwrap();
    running.listening.shutdown().await;
}

#[tokio::test]
async fn a_query_that_drips_in_is_cut_off() {
    let running = start(limited(StreamLimits { query: Duration::from_millis(150), ..StreamLimits::default() }));
    let (mut reader, mut writer) = TcpStream::connect(running.address).await.unwrap().into_split();
    let drip = tokio::spawn(async move {
        for byte in framed(&query(1, &"z".repeat(60))).into_iter().cycle() {
            if writer.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut byte = [0];
    assert!(matches!(timeout(LIMIT, reader.read(&mut byte)).await.unwrap(), Ok(0) | Err(_)));
    running.until_counted(Count::SlowSender, 1).await;
    drip.abort();
    running.listening.shutdown().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_and_lets_the_snapshot_go() {
    let running = start(limited(StreamLimits { stall: Duration::from_millis(100), ..StreamLimits::default() }));
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(running.address).await.unwrap();
    let weak = Arc::downgrade(&running.cell.load_full());
    let flood: Vec<u8> = (0..1000).flat_map(|id| framed(&query(id, &"q".repeat(60)))).collect();
    let flooding = async { while stream.write_all(&flood).await.is_ok() {} };
    timeout(LIMIT, flooding).await.expect("the server closes");
    running.until_counted(Count::SlowReader, 1).await;
    running.cell.publish(Arc::new(Snapshot { number: 2, ..Snapshot::default() }));
    until(|| weak.strong_count() <= 1).await;
    running.listening.shutdown().await;
}

#[tokio::test]
async fn three_hundred_idle_connections_do_not_disturb_another() {
    let running = start(limited(StreamLimits { per_client: 1000, ..StreamLimits::default() }));
    let mut idle = Vec::new();
    for _ in 0..300 {
        idle.push(TcpStream::connect(running.address).await.unwrap());
    }
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    ask(&mut stream, 1).await;
    until(|| running.listening.connections() == 301).await;
    ask(&mut idle[150], 2).await;
    drop(idle);
    until(|| running.listening.connections() == 1).await;
    running.listening.shutdown().await;
}

#[tokio::test]
async fn a_client_over_its_share_is_closed_at_once() {
    let running = start(limited(StreamLimits { per_client: 2, ..StreamLimits::default() }));
    let mut first = TcpStream::connect(running.address).await.unwrap();
    let mut second = TcpStream::connect(running.address).await.unwrap();
    ask(&mut first, 1).await;
    ask(&mut second, 2).await;
    let mut third = TcpStream::connect(running.address).await.unwrap();
    assert_closed(&mut third).await;
    running.until_counted(Count::ClientLimit, 1).await;
    let from_elsewhere = TcpSocket::new_v4().unwrap();
    from_elsewhere.bind("127.0.0.9:0".parse().unwrap()).unwrap();
    ask(&mut from_elsewhere.connect(running.address).await.unwrap(), 3).await;
    running.listening.shutdown().await;
}

#[tokio::test]
async fn the_longest_idle_connection_makes_room() {
    let running = start(limited(StreamLimits { connections: 3, idle_when_crowded: LIMIT, ..StreamLimits::default() }));
    let mut streams = Vec::new();
    for id in 0..3 {
        streams.push(TcpStream::connect(running.address).await.unwrap());
        ask(&mut streams[usize::from(id)], id).await;
        // The boot clock has to tell them apart.
        let now = crate::clock::boot_ms();
        until(|| crate::clock::boot_ms() > now + 1).await;
    }
    ask(&mut streams[0], 10).await;
    let mut newcomer = TcpStream::connect(running.address).await.unwrap();
    ask(&mut newcomer, 11).await;
    assert_closed(&mut streams[1]).await;
    ask(&mut streams[0], 12).await;
    ask(&mut streams[2], 13).await;
    assert_eq!(running.registry.fold_count(Count::Evicted), 1);
    running.listening.shutdown().await;
}

#[tokio::test]
async fn unfinished_queries_cannot_fill_the_memory() {
    let running = start(limited(StreamLimits { held_bytes: 1000, ..StreamLimits::default() }));
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let mut unfinished = framed(&[0; 60_000]);
    unfinished.truncate(5_000);
    stream.write_all(&unfinished).await.unwrap();
    assert_closed(&mut stream).await;
    running.until_counted(Count::MemoryLimit, 1).await;
    running.listening.shutdown().await;
}

#[tokio::test]
async fn shutdown_answers_what_has_arrived_and_closes_idle_connections() {
    let running = start(settings("127.0.0.1:0"));
    let mut idle = TcpStream::connect(running.address).await.unwrap();
    ask(&mut idle, 1).await;
    let mut busy = TcpStream::connect(running.address).await.unwrap();
    busy.write_all(&framed(&query(2, "name"))).await.unwrap();
    running.listening.shutdown().await;
    assert!(answers(&read_reply(&mut busy).await.unwrap(), &query(2, "name")));
    assert_closed(&mut busy).await;
    assert_closed(&mut idle).await;
    assert!(TcpStream::connect(running.address).await.is_err());
}
