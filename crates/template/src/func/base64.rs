//! Base64 with the alphabet that is safe in URLs, padded: `base64encode` and `base64decode`.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub(super) fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let index = (bits >> (18 - 6 * i)) as usize & 63;
            out.push(if i <= chunk.len() { char::from(ALPHABET[index]) } else { '=' });
        }
    }
    out
}

/// Line breaks are skipped, as Go does; what is not UTF-8 becomes U+FFFD.
pub(super) fn decode(text: &str) -> Result<String, String> {
    let illegal = |at: usize| format!("illegal base64 data at input byte {at}");
    let mut input = text.bytes().enumerate().filter(|(_, b)| !matches!(b, b'\r' | b'\n'));
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    while let Some((at, byte)) = input.next() {
        if let Some(digit) = ALPHABET.iter().position(|known| *known == byte) {
            bits = bits << 6 | u32::try_from(digit).unwrap_or(0);
            count += 1;
            if count == 4 {
                bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
                (bits, count) = (0, 0);
            }
            continue;
        }
        // Padding fills up the last group and nothing may follow it.
        if byte != b'=' || count < 2 {
            return Err(illegal(at));
        }
        if count == 2 {
            match input.next() {
                Some((_, b'=')) => {}
                Some((at, _)) => return Err(illegal(at - 1)),
                None => return Err(illegal(text.len())),
            }
            bytes.push((bits >> 4) as u8);
        } else {
            bytes.extend([(bits >> 10) as u8, (bits >> 2) as u8]);
        }
        return match input.next() {
            Some((at, _)) => Err(illegal(at)),
            None => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        };
    }
    if count > 0 {
        return Err(illegal(text.len() - count));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for (plain, encoded) in
            [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj"), ("ÿ?>", "w78_Pg==")]
        {
            assert_eq!(encode(plain.as_bytes()), encoded);
            assert_eq!(decode(encoded).as_deref(), Ok(plain));
        }
        for bad in ["Y", "YQ", "YQ=", "YQ==a", "Y+==", "===="] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }
}
