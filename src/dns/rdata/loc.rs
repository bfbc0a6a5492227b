//! LOC: a place on earth (RFC 1876).

/// Thousandths of a second of arc in a degree.
const DEGREE: u32 = 3_600_000;
/// The equator and the prime meridian (RFC 1876 §2).
const MIDDLE: u32 = 1 << 31;
/// The altitude, in centimetres, that is written as 0 (RFC 1876 §2).
const BASE_CM: i64 = 10_000_000;

/// Index of the word at fault and what is wrong with it.
type Fault = (usize, &'static str);

/// Reads `d [m [s]] N d [m [s]] E altitude [size [horizontal [vertical]]]`.
pub(super) fn parse(words: &[&[u8]]) -> Result<[u8; 16], Fault> {
    let mut at = 0;
    let latitude = angle(words, &mut at, 90, *b"NS")?;
    let longitude = angle(words, &mut at, 180, *b"EW")?;
    let altitude = words.get(at).ok_or((at, "the altitude is missing"))?;
    let altitude = centimetres(altitude).map(|cm| cm + BASE_CM).and_then(|cm| u32::try_from(cm).ok());
    let altitude = altitude.ok_or((at, "the altitude is not between -100000m and 42849672.95m"))?;
    let mut wire = [0, 0x12, 0x16, 0x13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for slot in 1..=3 {
        at += 1;
        if let (Some(word), Some(octet)) = (words.get(at), wire.get_mut(slot)) {
            *octet = precision(word).ok_or((at, "this size is not between 0 and 90000000m"))?;
        }
    }
    if words.len() > at + 1 {
        return Err((at + 1, "one value too many"));
    }
    for (slot, value) in
        wire.iter_mut().skip(4).zip([latitude, longitude, altitude].iter().flat_map(|v| v.to_be_bytes()))
    {
        *slot = value;
    }
    Ok(wire)
}

/// Degrees, minutes, seconds and a direction; `at` moves behind it.
fn angle(words: &[&[u8]], at: &mut usize, most: u32, [plus, minus]: [u8; 2]) -> Result<u32, Fault> {
    let mut total = 0;
    for (place, unit) in [DEGREE, 60_000, 1_000].into_iter().enumerate() {
        let word = words.get(*at).ok_or((*at, "the direction is missing"))?;
        if place > 0 && word.len() == 1 && !word.iter().all(u8::is_ascii_digit) {
            break;
        }
        let limit = if place == 0 { i64::from(most) * 1_000 } else { 59_999 };
        let value = decimal(word, 3).filter(|v| (0..=limit).contains(v) && (place == 2 || v % 1_000 == 0));
        let value = value.and_then(|v| u32::try_from(v).ok()).ok_or((*at, "not degrees, minutes or seconds"))?;
        total += value / 1_000 * unit + value % 1_000;
        *at += 1;
    }
    let word = words.get(*at).ok_or((*at, "the direction is missing"))?;
    let sign = word.first().filter(|_| word.len() == 1).map(u8::to_ascii_uppercase);
    if total > most * DEGREE {
        return Err((*at, "more than a quarter (or half) of the circle"));
    }
    let value = match sign {
        Some(s) if s == plus => MIDDLE + total,
        Some(s) if s == minus => MIDDLE - total,
        _ => return Err((*at, "the direction is N or S, then E or W")),
    };
    *at += 1;
    Ok(value)
}

/// A decimal number with up to `places` digits behind the point, as a whole number of the last of them.
fn decimal(text: &[u8], places: usize) -> Option<i64> {
    let (negative, digits) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
    let mut value: i64 = 0;
    let mut behind = None;
    for octet in digits {
        match (octet, &mut behind) {
            (b'.', None) => behind = Some(0),
            (b'0'..=b'9', count) => {
                if let Some(count) = count {
                    *count += 1;
                }
                value = value.checked_mul(10)?.checked_add(i64::from(octet - b'0'))?;
            }
            _ => return None,
        }
    }
    let missing = places.checked_sub(behind.unwrap_or(0))?;
    let value = value.checked_mul(10_i64.checked_pow(u32::try_from(missing).ok()?)?)?;
    digits.iter().any(u8::is_ascii_digit).then_some(if negative { -value } else { value })
}

/// Metres, with or without their `m`, as centimetres.
fn centimetres(text: &[u8]) -> Option<i64> {
    decimal(text.strip_suffix(b"m").or_else(|| text.strip_suffix(b"M")).unwrap_or(text), 2)
}

/// A size as mantissa and power of ten, in centimetres; rounded down.
fn precision(text: &[u8]) -> Option<u8> {
    let mut mantissa = centimetres(text).filter(|cm| (0..=9_000_000_000).contains(cm))?;
    let mut exponent = 0;
    while mantissa > 9 {
        mantissa /= 10;
        exponent += 1;
    }
    u8::try_from(mantissa).ok().map(|m| m << 4 | exponent)
}

/// Presentation form; `None` for a version or value that has none.
pub(super) fn show(wire: &[u8]) -> Option<String> {
    let wire: &[u8; 16] = wire.try_into().ok()?;
    let [version, size, horizontal, vertical, rest @ ..] = wire;
    if *version != 0 {
        return None;
    }
    let word = |at: usize| rest.get(at..at + 4).and_then(|w| w.try_into().ok()).map(u32::from_be_bytes);
    let latitude = show_angle(word(0)?, 90, ['N', 'S'])?;
    let longitude = show_angle(word(4)?, 180, ['E', 'W'])?;
    let altitude = i64::from(word(8)?) - BASE_CM;
    let sign = if altitude < 0 { "-" } else { "" };
    let altitude = altitude.unsigned_abs();
    Some(format!(
        "{latitude} {longitude} {sign}{}.{:02}m {} {} {}",
        altitude / 100,
        altitude % 100,
        show_precision(*size)?,
        show_precision(*horizontal)?,
        show_precision(*vertical)?
    ))
}

fn show_angle(value: u32, most: u32, [plus, minus]: [char; 2]) -> Option<String> {
    let sign = if value >= MIDDLE { plus } else { minus };
    let total = value.abs_diff(MIDDLE);
    if total > most * DEGREE {
        return None;
    }
    let (degrees, minutes, seconds) = (total / DEGREE, total / 60_000 % 60, total / 1_000 % 60);
    Some(format!("{degrees} {minutes} {seconds}.{:03} {sign}", total % 1_000))
}

fn show_precision(value: u8) -> Option<String> {
    let (mantissa, exponent) = (u64::from(value >> 4), u32::from(value & 15));
    if mantissa > 9 || exponent > 9 || (mantissa == 0 && exponent > 0) {
        return None;
    }
    let centimetres = mantissa * 10_u64.pow(exponent);
    Some(format!("{}.{:02}m", centimetres / 100, centimetres % 100))
}
