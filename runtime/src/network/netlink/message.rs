//! Netlink messages: a header, and attributes that may hold attributes.
use std::net::Ipv4Addr;

/// The header's length, and what everything is padded to.
const HEADER: usize = 16;
const ALIGN: usize = 4;
/// In the type of an attribute that holds others.
const NESTED: u16 = 1 << 15;

/// A request that is being written.
#[derive(Clone, Debug)]
pub(in crate::network) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// `flags` are `NLM_F_*`; that it is a request to be answered is understood.
    pub(in crate::network) fn new(kind: u16, flags: i32) -> Message {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags;
        bytes[6..8].copy_from_slice(&(flags as u16).to_ne_bytes());
        Message { bytes }
    }

    /// More flags.
    pub(in crate::network) fn flags(mut self, more: i32) -> Message {
        let flags = u16::from_ne_bytes([self.bytes[6], self.bytes[7]]) | more as u16;
        self.bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        self
    }

    /// It is not answered if it is done.
    pub(in crate::network) fn unanswered(mut self) -> Message {
        let flags = u16::from_ne_bytes([self.bytes[6], self.bytes[7]]) & !(libc::NLM_F_ACK as u16);
        self.bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        self
    }

    pub(super) fn is_answered(&self) -> bool {
        let flags = u16::from_ne_bytes([self.bytes[6], self.bytes[7]]);
        flags & libc::NLM_F_ACK as u16 != 0
    }

    /// The family's own header, or what else has no type.
    pub(in crate::network) fn raw(mut self, bytes: &[u8]) -> Message {
        self.bytes.extend_from_slice(bytes);
        self.pad();
        self
    }

    pub(in crate::network) fn bytes(mut self, kind: u16, value: &[u8]) -> Message {
        // No value of ours is near the limit; a list that is gets split before.
        let length = (ALIGN + value.len()) as u16;
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.raw(value)
    }

    pub(in crate::network) fn byte(self, kind: u16, value: u8) -> Message {
        self.bytes(kind, &[value])
    }

    /// In the machine's order, as rtnetlink has it.
    pub(in crate::network) fn u32(self, kind: u16, value: u32) -> Message {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// In the network's order, as nf_tables has it.
    pub(in crate::network) fn be32(self, kind: u16, value: u32) -> Message {
        self.bytes(kind, &value.to_be_bytes())
    }

    pub(in crate::network) fn be64(self, kind: u16, value: u64) -> Message {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// With the zero at its end.
    pub(in crate::network) fn text(self, kind: u16, value: &str) -> Message {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.bytes(kind, &bytes)
    }

    pub(in crate::network) fn address(self, kind: u16, value: Ipv4Addr) -> Message {
        self.bytes(kind, &value.octets())
    }

    /// An attribute that holds what `fill` adds.
    pub(in crate::network) fn nest(
        mut self,
        kind: u16,
        fill: impl FnOnce(Message) -> Message,
    ) -> Message {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; ALIGN]);
        let mut filled = fill(self);
        let length = (filled.bytes.len() - at) as u16;
        filled.bytes[at..at + 2].copy_from_slice(&length.to_ne_bytes());
        filled.bytes[at + 2..at + 4].copy_from_slice(&(kind | NESTED).to_ne_bytes());
        filled
    }

    /// Adds only if there is something to add.
    pub(in crate::network) fn maybe<T>(
        self,
        value: Option<T>,
        add: impl FnOnce(Message, T) -> Message,
    ) -> Message {
        match value {
            Some(value) => add(self, value),
            None => self,
        }
    }

    fn pad(&mut self) {
        let length = self.bytes.len().next_multiple_of(ALIGN);
        self.bytes.resize(length, 0);
    }

    /// The bytes to be sent.
    pub(super) fn finish(mut self, sequence: u32) -> Vec<u8> {
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes
    }

    /// What was written behind the header, for tests and for lists that are collected.
    pub(in crate::network) fn body(&self) -> &[u8] {
        &self.bytes[HEADER..]
    }
}

/// A message from the kernel.
#[derive(Clone, Debug)]
pub(in crate::network) struct Received {
    pub(in crate::network) kind: u16,
    pub(in crate::network) sequence: u32,
    flags: u16,
    body: Vec<u8>,
}

/// One attribute of a message.
#[derive(Clone, Copy, Debug)]
pub(in crate::network) struct Attribute<'a> {
    pub(in crate::network) kind: u16,
    pub(in crate::network) value: &'a [u8],
    /// It says of itself that it holds others.
    pub(in crate::network) is_nested: bool,
}

impl Received {
    /// The family's own header of this length, and the attributes behind it.
    pub(in crate::network) fn parts(&self, header: usize) -> (&[u8], Vec<Attribute<'_>>) {
        let at = header.min(self.body.len());
        let (head, rest) = self.body.split_at(at);
        let padded = header.next_multiple_of(ALIGN) - header;
        (head, attributes(rest.get(padded..).unwrap_or_default()))
    }

    /// Of an answer of that kind: the error's number, 0 for none, and the kernel's words.
    pub(super) fn error(&self) -> (i32, String) {
        let number = self.body.get(..4).and_then(|bytes| bytes.try_into().ok());
        let errno = -number.map_or(-libc::EIO, i32::from_ne_bytes);
        (errno, self.reason().unwrap_or_default())
    }

    /// Behind the number is the request, whole or only its header, and behind that the attributes.
    fn reason(&self) -> Option<String> {
        const HAS_ATTRIBUTES: u16 = 0x200;
        const CAPPED: u16 = 0x100;
        const TEXT: u16 = 1;
        if self.flags & HAS_ATTRIBUTES == 0 {
            return None;
        }
        let request = self.body.get(4..)?;
        let whole = u32::from_ne_bytes(request.get(..4)?.try_into().ok()?) as usize;
        let skipped = if self.flags & CAPPED != 0 { HEADER } else { whole };
        let attributes = attributes(request.get(skipped.next_multiple_of(ALIGN)..)?);
        attributes.iter().find(|attribute| attribute.kind == TEXT).map(|text| text.text())
    }
}

impl<'a> Attribute<'a> {
    pub(in crate::network) fn text(self) -> String {
        let end = self.value.iter().position(|byte| *byte == 0).unwrap_or(self.value.len());
        String::from_utf8_lossy(&self.value[..end]).into_owned()
    }

    pub(in crate::network) fn u32(self) -> Option<u32> {
        Some(u32::from_ne_bytes(self.value.get(..4)?.try_into().ok()?))
    }

    pub(in crate::network) fn be32(self) -> Option<u32> {
        Some(u32::from_be_bytes(self.value.get(..4)?.try_into().ok()?))
    }

    pub(in crate::network) fn address(self) -> Option<Ipv4Addr> {
        Some(Ipv4Addr::from(<[u8; 4]>::try_from(self.value.get(..4)?).ok()?))
    }

    /// What it holds.
    pub(in crate::network) fn nested(self) -> Vec<Attribute<'a>> {
        attributes(self.value)
    }
}

/// The attribute of this kind.
pub(in crate::network) fn find<'a>(all: &[Attribute<'a>], kind: u16) -> Option<Attribute<'a>> {
    all.iter().find(|attribute| attribute.kind == kind).copied()
}

pub(in crate::network) fn attributes(mut bytes: &[u8]) -> Vec<Attribute<'_>> {
    let mut all = Vec::new();
    while let [a, b, c, d, ..] = *bytes {
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let Some(value) = bytes.get(ALIGN..length) else { break };
        let kind = u16::from_ne_bytes([c, d]);
        all.push(Attribute { kind: kind & 0x3fff, value, is_nested: kind & NESTED != 0 });
        bytes = bytes.get(length.next_multiple_of(ALIGN)..).unwrap_or_default();
    }
    all
}

/// The messages of one packet.
pub(super) fn read_all(mut bytes: &[u8]) -> Vec<Received> {
    let mut all = Vec::new();
    while bytes.len() >= HEADER {
        let number = |at: usize| u32::from_ne_bytes([0, 1, 2, 3].map(|n| bytes[at + n]));
        let half = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        let length = number(0) as usize;
        let Some(body) = bytes.get(HEADER..length) else { break };
        let (kind, flags, sequence) = (half(4), half(6), number(8));
        all.push(Received { kind, sequence, flags, body: body.to_vec() });
        bytes = bytes.get(length.next_multiple_of(ALIGN)..).unwrap_or_default();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn attributes_are_padded_and_nested() {
        let message = Message::new(20, libc::NLM_F_CREATE)
            .raw(&[2, 16, 0])
            .text(3, "eth0")
            .nest(18, |inner| inner.text(1, "veth").byte(2, 7))
            .be32(5, 1);
        let bytes = message.finish(9);
        let expected = "40000000" // length
            .to_owned()
            + "1400" + "0504" // type, request and acknowledge and create
            + "09000000" + "00000000"
            + "02100000"
            + "0900" + "0300" + "6574683000" + "000000"
            + "1800" + "1280"
            + "0900" + "0100" + "7665746800" + "000000"
            + "0500" + "0200" + "07" + "000000"
            + "0800" + "0500" + "00000001";
        assert_eq!(hex(&bytes), expected);
        let [read] = &read_all(&bytes)[..] else { panic!("one message") };
        let (head, attributes) = read.parts(3);
        assert_eq!((read.kind, read.sequence, head), (20, 9, &[2, 16, 0][..]));
        assert_eq!(find(&attributes, 3).unwrap().text(), "eth0");
        let inner = find(&attributes, 18).unwrap().nested();
        assert_eq!((inner[0].text(), inner[1].value), ("veth".to_owned(), &[7][..]));
        assert_eq!(find(&attributes, 5).unwrap().be32(), Some(1));
    }

    #[test]
    fn what_is_cut_short_is_read_as_far_as_it_goes() {
        let whole = Message::new(20, 0).text(1, "abc").text(2, "def").finish(1);
        for length in 0..whole.len() {
            assert!(read_all(&whole[..length]).is_empty());
        }
        assert_eq!(attributes(&[8, 0, 1, 0, 1, 2, 3, 4, 200, 0, 1, 0]).len(), 1);
        assert!(attributes(&[3, 0, 1, 0]).is_empty());
    }

    #[test]
    fn the_kernels_words_are_found_behind_the_request() {
        let mut body = (-17_i32).to_ne_bytes().to_vec();
        body.extend(Message::new(1, 0).finish(3));
        body.extend(Message::new(0, 0).text(1, "already there").body());
        let received = Received { kind: 2, sequence: 3, flags: 0x300, body };
        assert_eq!(received.error(), (17, "already there".to_owned()));
    }
}
