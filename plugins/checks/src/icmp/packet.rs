//! Echo requests and replies (RFC 792, RFC 4443).

use std::net::IpAddr;

/// What one run sends and recognises: the kernel replaces the identifier of a ping socket, so replies are told by a
/// random token in the payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Echo {
    v6: bool,
    raw: bool,
    identifier: u16,
    token: u64,
}

impl Echo {
    pub(super) fn new(address: IpAddr, raw: bool) -> Self {
        Self { v6: address.is_ipv6(), raw, identifier: fastrand::u16(..), token: fastrand::u64(..) }
    }

    /// A request with a payload of `size` bytes, of which the first eight are the token.
    pub(super) fn request(&self, sequence: u16, size: usize) -> Vec<u8> {
        let kind = if self.v6 { 128 } else { 8 };
        let mut packet = vec![kind, 0, 0, 0];
        packet.extend(self.identifier.to_be_bytes());
        packet.extend(sequence.to_be_bytes());
        packet.extend(self.token.to_be_bytes());
        packet.resize(8 + size.max(8), 0x42);
        // The kernel computes the sum of ICMPv6 itself: it covers addresses only the kernel knows.
        if !self.v6 {
            let sum = checksum(&packet).to_be_bytes();
            packet.splice(2..4, sum);
        }
        packet
    }

    /// Whether a packet is the reply to that request.
    pub(super) fn is_reply(&self, packet: &[u8], sequence: u16) -> bool {
        // A raw IPv4 socket hands over the IP header, whose length is in its first byte.
        let header = match packet.first() {
            Some(first) if self.raw && !self.v6 => usize::from(first & 0x0f) * 4,
            _ => 0,
        };
        let kind = if self.v6 { 129 } else { 0 };
        let Some(message) = packet.get(header..) else { return false };
        let field = |from: usize, to: usize| message.get(from..to).unwrap_or_default();
        message.first() == Some(&kind)
            && field(6, 8) == sequence.to_be_bytes()
            && field(8, 16) == self.token.to_be_bytes()
    }
}

/// The internet checksum (RFC 1071).
fn checksum(packet: &[u8]) -> u16 {
    let words = packet.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    let sum = words.fold(0, u32::wrapping_add);
    let folded = (sum & 0xffff) + (sum >> 16);
    !(((folded & 0xffff) + (folded >> 16)) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_rfc_1071() {
        // The example of section 3: the words 0001 f203 f4f5 f6f7 sum to ddf2.
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&[0xff]), !0xff00);
    }

    #[test]
    fn only_the_own_reply_is_taken() {
        let echo = Echo::new("127.0.0.1".parse().unwrap(), true);
        let mut reply = echo.request(7, 56);
        assert_eq!((reply.len(), checksum(&reply)), (64, 0), "a packet with its sum sums to nothing");
        reply[0] = 0;
        let with_header = [vec![0x45; 20], reply.clone()].concat();
        assert!(echo.is_reply(&with_header, 7));
        assert!(!echo.is_reply(&with_header, 8));
        assert!(!Echo { token: 0, ..echo }.is_reply(&with_header, 7));
        assert!(!echo.is_reply(&[0x45; 20], 7) && !echo.is_reply(&[], 7) && !echo.is_reply(&[0x4f], 7));
        let datagram = Echo { raw: false, ..echo };
        assert!(datagram.is_reply(&reply, 7));
        assert!(!datagram.is_reply(&echo.request(7, 56), 7), "a request is not a reply");
        let v6 = Echo { v6: true, ..datagram };
        let mut reply = v6.request(7, 0);
        reply[0] = 129;
        assert!(v6.is_reply(&reply, 7));
    }
}
