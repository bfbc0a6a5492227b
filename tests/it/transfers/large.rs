//! Large zones that change while they are sent, zones that go, and clients that do not read, or say nothing.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_large_zone_that_is_reloaded_and_flipped_is_sent_at_one_serial() {
    let text = |generation: u32| {
        let mut text = format!("{ZONE}aa IN TXT \"{generation}\"\n");
        (0..30_000).for_each(|n| text.push_str(&format!("n{n} IN A 10.{}.{}.{}\n", n >> 16, n >> 8 & 255, n & 255)));
        text + &format!("zz IN TXT \"{generation}\"\n")
    };
    let server = start(&[("example.test.zone", &text(0)), ("example.test.toml", SWITCH)], &file(&[])).await;
    let (ip, port) = (server.dns.ip().to_string(), server.dns.port().to_string());
    // On a busy machine many transfers pass between two reloads: until three versions were seen.
    let reading = std::thread::spawn(move || -> Vec<String> {
        let axfr = || Command::new("dig").args([&format!("@{ip}"), "-p", &port, "example.test", "AXFR"]).output();
        let (mut printed, mut seen) = (Vec::new(), std::collections::BTreeSet::new());
        while printed.len() < 12 || seen.len() < 3 && printed.len() < 150 {
            let text = String::from_utf8(axfr().unwrap().stdout).unwrap();
            seen.extend(text.lines().find(|line| line.contains("SOA\t")).map(str::to_owned));
            printed.push(text);
        }
        printed
    });
    let mut generation = 0;
    while !reading.is_finished() {
        generation += 1;
        server.folder.write("zones/example.test.zone", &text(generation));
        let (status, reply) = server.api("POST", "/v1/reload", Some(serde_json::json!({}))).await;
        assert_eq!(status, 200, "{reply}");
        flip(&server, if generation % 2 == 1 { "green" } else { "blue" }).await;
    }
    let mut serials = std::collections::BTreeSet::new();
    for printed in reading.join().unwrap() {
        let soas: Vec<&str> = printed.lines().filter(|line| line.contains("SOA\t")).collect();
        assert!(soas.len() == 2 && soas[0] == soas[1], "one serial at both ends: {soas:?}");
        serials.insert(soas[0].to_owned());
        let lines = listed(&printed);
        assert_eq!(lines.iter().filter(|line| line.starts_with('n') && line.contains(" A 10.")).count(), 30_000);
        let marks: Vec<&str> = lines
            .iter()
            .filter_map(|line| line.split_once(" TXT \""))
            .filter(|(owner, _)| !owner.contains("wild"))
            .map(|(_, mark)| mark)
            .collect();
        assert!(marks.len() == 2 && marks[0] == marks[1], "one version of the files: {marks:?}");
        let pool: Vec<&String> = lines.iter().filter(|line| line.starts_with("app.") && line.contains(" A ")).collect();
        assert_eq!(pool.len(), 1, "one pool: {pool:?}");
    }
    assert!(serials.len() > 2, "the zone changed meanwhile: {serials:?}");
}

/// A large zone: 60,000 names in many messages, while it changes and while others do not read.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_zone_is_sent_consistently_while_it_changes_and_slow_clients_hold_nobody_up() {
    let mut text = ZONE.to_owned();
    (0..60_000).for_each(|n| text.push_str(&format!("n{n} IN A 10.{}.{}.{}\n", n >> 16, n >> 8 & 255, n & 255)));
    let server = start(&[("example.test.zone", &text), ("example.test.toml", SWITCH)], &file(&[])).await;
    // Clients that ask and read nothing.
    let slow: Vec<std::net::TcpStream> = (0..5)
        .map(|_| {
            use std::io::Write;
            let mut stream = std::net::TcpStream::connect(server.dns).unwrap();
            stream.write_all(b"\0\x1e\x12\x34\0\0\0\x01\0\0\0\0\0\0\x07example\x04test\0\0\xfc\0\x01").unwrap();
            stream
        })
        .collect();
    let reading = {
        let (ip, port) = (server.dns.ip().to_string(), server.dns.port().to_string());
        std::thread::spawn(move || {
            let output = Command::new("dig").args([&format!("@{ip}"), "-p", &port, "example.test", "AXFR"]).output();
            String::from_utf8(output.unwrap().stdout).unwrap()
        })
    };
    flip(&server, "green").await;
    let printed = reading.join().unwrap();
    let lines = listed(&printed);
    assert_eq!(lines.iter().filter(|line| line.starts_with('n') && line.contains(" A 10.")).count(), 60_000);
    let pool: Vec<&String> = lines.iter().filter(|line| line.starts_with("app.") && line.contains(" A ")).collect();
    assert_eq!(pool.len(), 1, "one pool, whichever: {pool:?}");
    let soas: Vec<&str> = printed.lines().filter(|line| line.contains("SOA\t")).collect();
    assert_eq!((soas.len(), soas[0]), (2, soas[1]), "one serial at both ends");
    eventually("clients that do not read are given up", || async {
        (event(&server, "transfer_cut").await == 5).then_some(())
    })
    .await;
    drop(slow);
    assert_eq!(server.short(&["www.example.test"]), ["192.0.2.1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_say_nothing_are_let_go_and_one_client_gets_so_many_connections() {
    let mut server = Server::prepare(&zones(), &[]);
    server.folder.write("tidegate.toml", &format!("{}[limits]\ntcp_idle = \"300ms\"\ntcp_per_client = 3\n", file(&[])));
    server.extra = vec!["--config".to_owned(), server.folder.path().join("tidegate.toml").display().to_string()];
    server.spawn();
    server.ready().await;
    let silent: Vec<std::net::TcpStream> = (0..3).map(|_| std::net::TcpStream::connect(server.dns).unwrap()).collect();
    for mut stream in silent {
        use std::io::Read;
        stream.set_read_timeout(Some(crate::harness::LIMIT)).unwrap();
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)), "closed");
    }
    assert!(server.dig(&["example.test", "AXFR"]).contains("www.example.test."));
}

/// Zones that may not be transferred count for nothing when one that may goes.
#[tokio::test(flavor = "multi_thread")]
async fn a_zone_that_was_removed_is_sent_no_more_whatever_others_are_left() {
    let files = [
        ("gone.test.zone", ZONE),
        ("quiet.test.zone", ZONE),
        ("quiet.test.toml", "[zone]\ntransfer = { allow = [] }\n"),
    ];
    let server = start(&files, &file(&[])).await;
    assert!(server.dig(&["gone.test", "AXFR"]).contains("www.gone.test."));
    std::fs::remove_file(server.folder.path().join("zones/gone.test.zone")).unwrap();
    let (status, reply) = server.api("POST", "/v1/reload", Some(serde_json::json!({}))).await;
    assert_eq!(status, 200, "{reply}");
    let printed = server.dig(&["gone.test", "AXFR"]);
    assert!(printed.contains("Transfer failed") && !printed.contains("www"), "{printed}");
}
