//! The master file format clause by clause, and exact places of every kind of problem.

use super::*;
use crate::dns::rdata::display_rdata;
use crate::zone::Place;
use proptest::prelude::*;

fn apex() -> Name {
    "example.test".parse().unwrap()
}

fn no_include(path: &str, _: &str) -> Result<(Arc<str>, Vec<u8>), String> {
    Err(format!("no {path} here"))
}

/// Every record as `owner ttl type rdata`.
fn records(text: &str) -> Vec<String> {
    match parse("a.zone", text.as_bytes(), &apex(), &mut no_include) {
        Ok(zone) => shown(&zone),
        Err(errors) => panic!("{}", errors.iter().map(MasterFileError::render).collect::<Vec<_>>().join("\n")),
    }
}

fn shown(zone: &ZoneText) -> Vec<String> {
    let line = |r: crate::zone::RecordRef<'_>| {
        format!("{} {} {} {}", r.owner_name(), r.ttl, r.rtype, display_rdata(r.rtype, r.rdata))
    };
    zone.records().map(line).collect()
}

fn errors(text: &str) -> Vec<MasterFileError> {
    match parse("a.zone", text.as_bytes(), &apex(), &mut no_include) {
        Ok(zone) => panic!("read as {:?}", shown(&zone)),
        Err(errors) => errors,
    }
}

/// The only problem of a text, as (line, column, width).
fn place(text: &str) -> (u32, u32, u32) {
    let errors = errors(text);
    assert_eq!(errors.len(), 1, "{errors:?}");
    let Place { line, column, width, .. } = errors[0].problem.place;
    (line, column, width)
}

#[test]
fn rfc_1035_section_5_3_example() {
    let text = "\
@   IN  SOA     VENERA      Action\\.domains (
                                 20     ; SERIAL
                                 7200   ; REFRESH
                                 600    ; RETRY
                                 3600000; EXPIRE
                                 60)    ; MINIMUM

        NS      A.ISI.EDU.
        NS      VENERA
        MX      10      VENERA
        MX      20      VAXA

A       A       26.3.0.103

VENERA  A       10.1.0.52
        A       128.9.0.32
";
    assert_eq!(
        records(text),
        [
            r"example.test. 60 SOA venera.example.test. action\.domains.example.test. 20 7200 600 3600000 60",
            "example.test. 60 NS a.isi.edu.",
            "example.test. 60 NS venera.example.test.",
            "example.test. 60 MX 10 venera.example.test.",
            "example.test. 60 MX 20 vaxa.example.test.",
            "a.example.test. 60 A 26.3.0.103",
            "venera.example.test. 60 A 10.1.0.52",
            "venera.example.test. 60 A 128.9.0.32",
        ]
    );
}

#[test]
fn ttl_and_class_stand_in_either_order_or_not_at_all() {
    let text = "a 1h in A 192.0.2.1\na IN 90 A 192.0.2.2\na CLASS1 A 192.0.2.3\na A 192.0.2.4\na 0 A 192.0.2.5";
    let ttls: Vec<_> = records(text).iter().map(|r| r.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(ttls, ["3600", "90", "90", "90", "0"]);
}

#[test]
fn rfc_2308_section_4_ttl_directive_is_the_default_of_what_follows() {
    let text = "$TTL 1h30m\na A 192.0.2.1\na 60 A 192.0.2.2\na A 192.0.2.3\n$ttl 5\na A 192.0.2.4\n";
    let ttls: Vec<_> = records(text).iter().map(|r| r.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(ttls, ["5400", "60", "5400", "5"]);
    assert_eq!(place("a A 192.0.2.1"), (1, 3, 1));
}

#[test]
fn rfc_2181_section_8_ttls_end_at_31_bits() {
    assert_eq!(records("a 2147483647 A 192.0.2.1"), ["a.example.test. 2147483647 A 192.0.2.1"]);
    for ttl in ["2147483648", "99999999999", "300x"] {
        assert_eq!(place(&format!("a {ttl} A 192.0.2.1")), (1, 3, u32::try_from(ttl.len()).unwrap()));
        assert_eq!(place(&format!("$TTL {ttl}")).1, 6);
    }
}

#[test]
fn origin_completes_owners_and_targets() {
    let text = "$TTL 1\n$ORIGIN sub\nwww CNAME x\n@ A 192.0.2.1\n$ORIGIN example.test.\nwww.sub2 CNAME @\n";
    assert_eq!(
        records(text),
        [
            "www.sub.example.test. 1 CNAME x.sub.example.test.",
            "sub.example.test. 1 A 192.0.2.1",
            "www.sub2.example.test. 1 CNAME example.test."
        ]
    );
}

#[test]
fn owners_outside_the_zone_are_refused_with_the_lines_that_inherit_them() {
    assert_eq!(place("$TTL 1\nwww.example.org. A 192.0.2.1\n  A 192.0.2.2\n"), (2, 1, 16));
    assert_eq!(place("$TTL 1\n$ORIGIN org.\nwww A 192.0.2.1\n"), (3, 1, 3));
    assert_eq!(place("$TTL 1\nanexample.test. A 192.0.2.1"), (2, 1, 15));
    assert_eq!(records("$TTL 1\n$ORIGIN org.\nwww.example.test. A 192.0.2.1").len(), 1);
}

#[test]
fn rfc_3597_types_classes_and_octets() {
    assert_eq!(
        records("a 1 CLASS1 TYPE731 \\# 6 abcd ( ef 01 23 45 )\na TYPE1 \\# 4 0a000001"),
        ["a.example.test. 1 TYPE731 \\# 6 ABCDEF012345", "a.example.test. 1 A 10.0.0.1"]
    );
    assert_eq!(place("a 1 CLASS32 TYPE731 \\# 0"), (1, 5, 7));
}

#[test]
fn every_problem_is_reported_at_its_word() {
    let text = "\
$TTL 300
www A 192.0.2.300
  MX 10
mail  CH A 192.0.2.1
\"ö\" TXT \"ü\" \"open
x ANY x
y TYP 1
$BOGUS
$ORIGIN
a..b A 192.0.2.1
z A 192.0.2.1 192.0.2.2 ; ö
w MX ( ten
   mail )
v SRV 1 2 3 a..b
u A
t
ok A 192.0.2.9
s TXT (
";
    let places: Vec<_> =
        errors(text).iter().map(|e| (e.problem.place.line, e.problem.place.column, e.problem.place.width)).collect();
    let expected = [
        (2, 7, 11),
        (3, 8, 0),
        (4, 7, 2),
        (5, 13, 1),
        (6, 3, 3),
        (7, 3, 3),
        (8, 1, 6),
        (9, 8, 0),
        (10, 1, 4),
        (11, 15, 9),
        (12, 8, 3),
        (14, 13, 4),
        (15, 4, 0),
        (16, 2, 0),
        (18, 7, 1),
    ];
    assert_eq!(places, expected);
}

#[test]
fn an_error_reads_as_place_sentence_remedy_and_caret() {
    let error = &errors("$TTL 300\nwww\tIN MX ten mail\n")[0];
    assert_eq!(error.to_string(), "a.zone:2:11: `ten` is no preference; write a whole number up to 65535");
    assert!(error.render().ends_with("2 | www\tIN MX ten mail\n  |    \t      ^^^"), "{}", error.render());
}

#[test]
fn problems_end_at_the_limit() {
    assert_eq!(errors(&"a A bad\n".repeat(500)).len(), MAX_ERRORS);
}

#[test]
fn quotes_escapes_and_line_ends_of_both_kinds() {
    let text = "\u{feff}$TTL 1\r\na\\.b TXT \"x;(\\\"\\065\" y\\;z ; comment\r\n\r\n  A (192.0.2.1\r\n)\r\n";
    assert_eq!(records(text), [r#"a\.b.example.test. 1 TXT "x;(\"A" "y;z""#, r"a\.b.example.test. 1 A 192.0.2.1"]);
}

#[test]
fn a_dollar_owner_is_escaped_and_wildcards_are_names() {
    assert_eq!(
        records("\\$x 1 A 192.0.2.1\n* A 192.0.2.2"),
        ["\\$x.example.test. 1 A 192.0.2.1", "*.example.test. 1 A 192.0.2.2"]
    );
}

#[test]
fn include_restores_origin_and_owner_and_keeps_the_ttl_directive() {
    let text = "$TTL 1\nwww A 192.0.2.1\n$INCLUDE \"sub file\" sub\n  A 192.0.2.3\nx CNAME y\n";
    let mut include = |path: &str, from: &str| {
        assert_eq!((path, from), ("sub file", "a.zone"));
        Ok(("dir/sub file".into(), b"$TTL 2\nb A 192.0.2.2\n$ORIGIN deep.example.test.\n".to_vec()))
    };
    let zone = parse("a.zone", text.as_bytes(), &apex(), &mut include).unwrap();
    assert_eq!(
        shown(&zone),
        [
            "www.example.test. 1 A 192.0.2.1",
            "b.sub.example.test. 2 A 192.0.2.2",
            "www.example.test. 2 A 192.0.2.3",
            "x.example.test. 2 CNAME y.example.test."
        ]
    );
    assert_eq!(zone.files, ["a.zone".into(), Arc::<str>::from("dir/sub file")]);
    let places: Vec<_> = zone.records().map(|r| zone.place(r.at).to_owned()).map(|p| (p.file, p.line)).collect();
    assert_eq!(places[1], ("dir/sub file".into(), 2));
    assert_eq!(places[2], ("a.zone".into(), 4));
}

#[test]
fn includes_that_fail_loop_or_nest_too_deep_are_refused_at_the_line_that_asks() {
    let error = &errors("\n$INCLUDE gone")[0].problem;
    assert_eq!((error.place.line, error.place.column, error.place.width), (2, 10, 4));
    assert_eq!(error.message, "`gone` cannot be included: no gone here");

    let mut itself = |_: &str, _: &str| Ok(("a.zone".into(), b"".to_vec()));
    let error = parse("a.zone", b"$INCLUDE a.zone", &apex(), &mut itself).unwrap_err();
    assert_eq!(error[0].problem.message, "`a.zone` includes itself");

    let mut number = 0;
    let mut deeper = |_: &str, _: &str| {
        number += 1;
        Ok((format!("{number}.zone").into(), b"\n$INCLUDE next\n".to_vec()))
    };
    let error = parse("a.zone", b"$INCLUDE next", &apex(), &mut deeper).unwrap_err();
    assert_eq!(error.len(), 1);
    assert_eq!((&*error[0].problem.place.file, error[0].problem.place.line), ("16.zone", 2));
}

#[test]
fn an_error_in_an_included_file_names_that_file() {
    let mut include = |_: &str, _: &str| Ok(("b.inc".into(), b"\nwww A x\n".to_vec()));
    let error = parse("a.zone", b"$TTL 1\n$INCLUDE b.inc\nmail A y", &apex(), &mut include).unwrap_err();
    let lines: Vec<_> = error.iter().map(ToString::to_string).collect();
    assert!(lines[0].starts_with("b.inc:2:7: `x` is no address"), "{lines:?}");
    assert!(lines[1].starts_with("a.zone:3:8: `y` is no address"), "{lines:?}");
}

#[test]
fn generate_makes_a_record_for_each_number() {
    assert_eq!(
        records("$TTL 1\n$GENERATE 1-3/2 host-$ A 192.0.2.$\n"),
        ["host-1.example.test. 1 A 192.0.2.1", "host-3.example.test. 1 A 192.0.2.3"]
    );
    assert_eq!(
        records("$GENERATE 9-10 h${1,3,d} 60 IN CNAME t${-9}.${0,2,x}.$$\\$.@\n"),
        [
            r"h010.example.test. 60 CNAME t0.09.\$\$.\@.example.test.",
            r"h011.example.test. 60 CNAME t1.0a.\$\$.\@.example.test."
        ]
    );
    assert_eq!(records("$GENERATE 18-18 ${0,4,n} 1 PTR a${0,1,N}\n"), ["2.1.example.test. 1 PTR a2.1.example.test."]);
}

#[test]
fn generate_is_bounded_and_says_what_is_wrong() {
    assert_eq!(records("$TTL 1\n$GENERATE 1-65535 h$ A 192.0.2.1").len(), 65_535);
    assert_eq!(place("$TTL 1\n$GENERATE 0-65535 h$ A 192.0.2.1"), (2, 11, 7));
    assert_eq!(place("$TTL 1\n$GENERATE 2-1 h$ A 192.0.2.1"), (2, 11, 3));
    assert_eq!(place("$TTL 1\n$GENERATE 1-2/0 h$ A 192.0.2.1"), (2, 11, 5));
    assert_eq!(place("$TTL 1\n$GENERATE 1-2 h${0,0,q} A 192.0.2.1"), (2, 15, 9));
    assert_eq!(place("$TTL 1\n$GENERATE 1-2 h${-2} A 192.0.2.1"), (2, 15, 6));
    assert_eq!(place("$TTL 1\n$GENERATE 250-300 h$ A 192.0.2.$"), (2, 24, 9));
    assert_eq!(place("$TTL 1\n$GENERATE 1-2"), (2, 14, 0));
}

#[test]
fn rdata_and_names_over_their_limits_are_refused() {
    let string = format!("\"{}\" ", "x".repeat(255));
    assert_eq!(records(&format!("a 1 TXT {}", string.repeat(255))).len(), 1);
    assert_eq!(place(&format!("a 1 TXT {}", string.repeat(257))), (1, 9, 257));
    let long = ["abcdefgh"; 28].join(".");
    assert_eq!(place(&format!("{long} 1 A 192.0.2.1")), (1, 1, 251));
    assert_eq!(place(&format!("a 1 NS {long}")), (1, 8, 251));
}

/// Texts out of the words of the format, so that a random one gets far.
fn texts() -> impl Strategy<Value = String> {
    let words = [
        "www",
        "@",
        "IN",
        "CH",
        "300",
        "1h",
        "A",
        "MX",
        "TXT",
        "SOA",
        "CNAME",
        "HTTPS",
        "192.0.2.1",
        "10",
        "\\#",
        "2",
        "abcd",
        "(",
        ")",
        "\"",
        ";",
        "\n",
        "\n ",
        "\t",
        "$ORIGIN",
        "$TTL",
        "$INCLUDE",
        "$GENERATE",
        "1-3",
        "h$",
        "${1,2,x}",
        "\\",
        "\\200",
        "alpn=h2",
        "ö",
        "a.b.",
        "..",
        "\r\n",
    ];
    prop::collection::vec((prop::sample::select(words.to_vec()), prop::sample::select(vec![" ", ""])), 0..40)
        .prop_map(|parts| parts.into_iter().map(|(word, space)| format!("{word}{space}")).collect())
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_at_a_place_in_it(text in texts()) {
        let mut include = |path: &str, _: &str| {
            if path == "2" { Ok((path.into(), b"x 1 A 192.0.2.1".to_vec())) } else { Err("none".to_owned()) }
        };
        if let Err(errors) = parse("a.zone", text.as_bytes(), &apex(), &mut include) {
            let lines: Vec<_> = text.split('\n').collect();
            for error in errors {
                let Place { line, column, width, .. } = error.problem.place;
                let source = lines[line as usize - 1];
                prop_assert_eq!(&error.source_line, source);
                prop_assert!((column - 1 + width) as usize <= source.chars().count(), "{}", error.render());
                prop_assert!(!error.render().is_empty());
            }
        }
    }

    #[test]
    fn any_octets_are_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(errors) = parse("a.zone", &text, &apex(), &mut no_include) {
            prop_assert!(!errors.is_empty());
        }
    }
}
