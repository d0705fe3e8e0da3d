//! DNS messages, as far as answers of our own need them: a question is read, addresses and names are written. What is
//! passed on is passed on as it came.
use std::net::Ipv4Addr;

const HEADER: usize = 12;
/// What every client takes, and the most that is sent to one that takes more: both by UDP.
const SMALLEST: usize = 512;
const LARGEST: usize = 1232;
/// Seconds that an answer may be kept: containers come and go.
const TIME_TO_LIVE: u32 = 5;
const INTERNET: u16 = 1;
const LONGEST_NAME: usize = 255;

pub(super) const ADDRESS: u16 = 1;
pub(super) const POINTER: u16 = 12;
const OPTIONS: u16 = 41;

/// Where in the flags what is.
const RESPONSE: u16 = 1 << 15;
const OPERATION: u16 = 0xf << 11;
const TRUNCATED: u16 = 1 << 9;
const RECURSION_DESIRED: u16 = 1 << 8;
const RECURSION_AVAILABLE: u16 = 1 << 7;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Fine = 0,
    FormatError = 1,
    ServerFailure = 2,
    NoSuchName = 3,
    NotImplemented = 4,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) id: u16,
    flags: u16,
    /// In lower case, without the dot at the end.
    pub(super) name: String,
    pub(super) kind: u16,
    pub(super) class: u16,
    /// The question as it came, to be repeated in the answer.
    question: Vec<u8>,
    /// As many bytes the client takes by UDP.
    pub(super) room: usize,
}

/// What is said in reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Records {
    None,
    Addresses(Vec<Ipv4Addr>),
    Name(String),
}

impl Query {
    /// None if it is nothing to be answered; a code if it is to be refused.
    pub(super) fn read(message: &[u8]) -> Option<Result<Query, Vec<u8>>> {
        let half = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
        let (id, flags) = (half(0)?, half(2)?);
        if flags & RESPONSE != 0 || message.len() < HEADER {
            return None;
        }
        let refuse = |code| Some(Err(head(id, flags, code, 0, 0)));
        if flags & OPERATION != 0 {
            return refuse(Code::NotImplemented);
        }
        let counts = [half(4)?, half(6)?, half(8)?, half(10)?];
        if counts[0] != 1 {
            return refuse(Code::FormatError);
        }
        let Some((name, end)) = read_name(message, HEADER) else {
            return refuse(Code::FormatError);
        };
        let (Some(kind), Some(class)) = (half(end), half(end + 2)) else {
            return refuse(Code::FormatError);
        };
        let behind = end + 4;
        let room = if counts[1] == 0 && counts[2] == 0 && counts[3] > 0 {
            options_room(message, behind)
        } else {
            SMALLEST
        };
        let question = message[HEADER..behind].to_vec();
        Some(Ok(Query { id, flags, name, kind, class, question, room }))
    }

    pub(super) fn is_internet(&self) -> bool {
        self.class == INTERNET
    }

    /// The answer, cut to `room` bytes: then the client asks again by TCP.
    pub(super) fn answer(&self, code: Code, records: &Records, room: usize) -> Vec<u8> {
        let data: Vec<(u16, Vec<u8>)> = match records {
            Records::None => Vec::new(),
            Records::Addresses(all) => {
                all.iter().map(|address| (ADDRESS, address.octets().to_vec())).collect()
            }
            Records::Name(name) => vec![(POINTER, write_name(name))],
        };
        let mut body = Vec::new();
        let (mut count, mut truncated) = (0, 0);
        for (kind, value) in data {
            let record = record(kind, &value);
            if HEADER + self.question.len() + body.len() + record.len() > room {
                truncated = TRUNCATED;
                break;
            }
            body.extend(record);
            count += 1;
        }
        let mut message = head(self.id, self.flags | truncated, code, 1, count);
        message.extend(&self.question);
        message.extend(body);
        message
    }
}

fn head(id: u16, flags: u16, code: Code, questions: u16, answers: u16) -> Vec<u8> {
    let kept = flags & (RECURSION_DESIRED | TRUNCATED | OPERATION);
    let flags = RESPONSE | RECURSION_AVAILABLE | kept | code as u16;
    [id, flags, questions, answers, 0, 0].into_iter().flat_map(u16::to_be_bytes).collect()
}

/// Of the name in the question, which a pointer stands for.
fn record(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut record = vec![0xc0, HEADER as u8];
    record.extend(kind.to_be_bytes());
    record.extend(INTERNET.to_be_bytes());
    record.extend(TIME_TO_LIVE.to_be_bytes());
    record.extend((value.len() as u16).to_be_bytes());
    record.extend(value);
    record
}

/// The name at this place, and where it ends. A label with a byte that is none of a host's name makes it a name that
/// nobody here has.
fn read_name(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut name = String::new();
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            return Some((name, at));
        }
        // In a question there is nothing that a pointer could point to.
        if length > 63 {
            return None;
        }
        let label = message.get(at..at + length)?;
        at += length;
        if !name.is_empty() {
            name.push('.');
        }
        let shown = |byte: &u8| match byte {
            b'.' => '\u{fffd}',
            byte if byte.is_ascii() => char::from(byte.to_ascii_lowercase()),
            _ => '\u{fffd}',
        };
        name.extend(label.iter().map(shown));
        if name.chars().count() > LONGEST_NAME {
            return None;
        }
    }
}

/// Where the name at this place ends, which may be a pointer.
pub(super) fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length if length < 64 => at += 1 + usize::from(length),
            length if length >= 0xc0 => return message.get(at + 1).map(|_| at + 2),
            _ => return None,
        }
    }
}

fn write_name(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        let label = &label.as_bytes()[..label.len().min(63)];
        bytes.push(label.len() as u8);
        bytes.extend(label);
    }
    bytes.push(0);
    bytes
}

/// What the record of options behind the question says.
fn options_room(message: &[u8], at: usize) -> usize {
    match message.get(at..at + 5) {
        Some([0, a, b, c, d]) if u16::from_be_bytes([*a, *b]) == OPTIONS => {
            usize::from(u16::from_be_bytes([*c, *d])).clamp(SMALLEST, LARGEST)
        }
        _ => SMALLEST,
    }
}

/// The address that a name of `in-addr.arpa` stands for.
pub(super) fn reversed(name: &str) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut labels = name.strip_suffix(".in-addr.arpa")?.split('.').rev();
    for octet in &mut octets {
        *octet = labels.next()?.parse().ok()?;
    }
    labels.next().is_none().then(|| octets.into())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A question of this name and kind.
    pub(in crate::network::server) fn question(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend(write_name(name));
        message.extend(kind.to_be_bytes());
        message.extend([0, 1]);
        message
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_question_is_read_and_answered() {
        let query = Query::read(&question("Web.Example", ADDRESS)).unwrap().unwrap();
        assert_eq!((query.name.as_str(), query.kind, query.room), ("web.example", 1, 512));
        assert!(query.is_internet());
        let records = Records::Addresses(vec![[10, 0, 0, 1].into()]);
        let expected = "123481800001000100000000" // header: response, recursion
            .to_owned()
            + "03576562074578616d706c65000001" + "0001" // the question as it came
            + "c00c" + "0001" + "0001" + "00000005" + "0004" + "0a000001";
        assert_eq!(hex(&query.answer(Code::Fine, &records, 512)), expected);
        let none = query.answer(Code::NoSuchName, &Records::None, 512);
        assert_eq!(hex(&none[..12]), "123481830001000000000000");
        let name = query.answer(Code::Fine, &Records::Name("a.bc".to_owned()), 512);
        assert!(hex(&name).ends_with("0006016102626300"), "{}", hex(&name));
    }

    #[test]
    fn an_answer_that_does_not_fit_says_so() {
        let query = Query::read(&question("many", ADDRESS)).unwrap().unwrap();
        let all: Vec<Ipv4Addr> = (0..100).map(|n| [10, 0, 0, n].into()).collect();
        let cut = query.answer(Code::Fine, &Records::Addresses(all.clone()), query.room);
        assert!(cut.len() <= 512 && u16::from_be_bytes([cut[2], cut[3]]) & TRUNCATED != 0);
        let whole = query.answer(Code::Fine, &Records::Addresses(all), usize::MAX);
        assert_eq!(u16::from_be_bytes([whole[6], whole[7]]), 100);
        assert_eq!(u16::from_be_bytes([whole[2], whole[3]]) & TRUNCATED, 0);
    }

    #[test]
    fn options_tell_how_much_a_client_takes() {
        for (size, room) in [(100_u16, 512), (1000, 1000), (4096, 1232)] {
            let mut message = question("a", ADDRESS);
            message[11] = 1;
            message.extend([0, 0, 41]);
            message.extend(size.to_be_bytes());
            message.extend([0, 0, 0, 0, 0, 0]);
            assert_eq!(Query::read(&message).unwrap().unwrap().room, room);
        }
    }

    #[test]
    fn what_is_no_question_is_refused_or_left() {
        let good = question("name.example", ADDRESS);
        for length in 0..good.len() {
            let read = Query::read(&good[..length]);
            assert!(read.is_none_or(|read| read.is_err()), "{length}");
        }
        let changed = |at: usize, byte: u8| {
            let mut message = good.clone();
            message[at] = byte;
            Query::read(&message)
        };
        // A response; an update; two questions; a pointer.
        assert!(changed(2, 0x81).is_none());
        assert_eq!(changed(2, 0x28).unwrap().unwrap_err()[3] & 0xf, Code::NotImplemented as u8);
        assert_eq!(changed(5, 2).unwrap().unwrap_err()[3] & 0xf, Code::FormatError as u8);
        assert_eq!(changed(12, 0xc0).unwrap().unwrap_err()[3] & 0xf, Code::FormatError as u8);
    }

    #[test]
    fn addresses_are_read_backwards() {
        assert_eq!(reversed("2.0.17.172.in-addr.arpa"), Some([172, 17, 0, 2].into()));
        for wrong in
            ["0.17.172.in-addr.arpa", "1.2.0.17.172.in-addr.arpa", "x.0.17.172.in-addr.arpa", "a"]
        {
            assert_eq!(reversed(wrong), None, "{wrong}");
        }
    }
}
