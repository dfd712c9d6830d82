//! State changes as bytes.

use breakwatch_model::{Op, Table, Timestamp};

use crate::codec::{Bytes, Malformed, put_bytes, put_ivarint, put_str, put_uvarint};

/// A change as the log keeps it: journal records carry the number they were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogOp {
    Put {
        table: Table,
        key: String,
        value: Vec<u8>,
    },
    Delete {
        table: Table,
        key: String,
    },
    Append {
        table: Table,
        entry: Entry,
    },
    /// What a journal consists of besides the records in the log.
    Journal {
        table: Table,
        next: u64,
        segments: Vec<Span>,
    },
}

/// The numbers of a segment's records: the first, and one more than the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) next: u64,
}

/// A record of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) at: Timestamp,
    pub(crate) value: Vec<u8>,
}

impl Entry {
    /// What it takes in memory and about what it takes on disk.
    pub(crate) const fn size(&self) -> usize {
        self.value.len() + 32
    }
}

/// The number of a table on disk. Never reused, never changed.
pub(crate) const fn table_code(table: Table) -> u8 {
    match table {
        Table::Alerts => 1,
        Table::Breakers => 2,
        Table::Notifications => 3,
        Table::Outbox => 4,
        Table::Silences => 5,
        Table::Acks => 6,
        Table::Checks => 7,
        Table::Cursors => 8,
        Table::Meta => 9,
        Table::Ledger => 10,
        Table::Events => 11,
        Table::Audit => 12,
    }
}

fn table_of(code: u8) -> Result<Table, Malformed> {
    Table::ALL.into_iter().find(|table| table_code(*table) == code).ok_or(Malformed("a known table"))
}

const PUT: u8 = 1;
const DELETE: u8 = 2;
const APPEND: u8 = 3;
const JOURNAL: u8 = 4;

/// Appends a change of a keyed table.
pub(crate) fn put_keyed(out: &mut Vec<u8>, table: Table, key: &str, value: Option<&[u8]>) {
    out.extend_from_slice(&[if value.is_some() { PUT } else { DELETE }, table_code(table)]);
    put_str(out, key);
    if let Some(value) = value {
        put_bytes(out, value);
    }
}

/// Appends a journal record.
pub(crate) fn put_entry(out: &mut Vec<u8>, table: Table, number: u64, at: Timestamp, value: &[u8]) {
    out.extend_from_slice(&[APPEND, table_code(table)]);
    put_uvarint(out, number);
    put_ivarint(out, at.millis());
    put_bytes(out, value);
}

/// Appends what a journal consists of: the number its next record gets, and its segments.
pub(crate) fn put_journal(out: &mut Vec<u8>, table: Table, next: u64, segments: &[Span]) {
    out.extend_from_slice(&[JOURNAL, table_code(table)]);
    put_uvarint(out, next);
    put_uvarint(out, segments.len() as u64);
    for span in segments {
        put_uvarint(out, span.first);
        put_uvarint(out, span.next);
    }
}

fn read_journal(table: Table, bytes: &mut Bytes<'_>) -> Result<LogOp, Malformed> {
    let next = bytes.uvarint()?;
    let count = bytes.count(2)?;
    let span = |bytes: &mut Bytes<'_>| Ok(Span { first: bytes.uvarint()?, next: bytes.uvarint()? });
    let segments = (0..count).map(|_| span(bytes)).collect::<Result<_, Malformed>>()?;
    Ok(LogOp::Journal { table, next, segments })
}

/// Reads the changes of one frame.
pub(crate) fn read_ops(payload: &[u8]) -> Result<Vec<LogOp>, Malformed> {
    let mut bytes = Bytes::new(payload);
    let mut ops = Vec::new();
    while !bytes.is_empty() {
        let kind = bytes.u8()?;
        let table = table_of(bytes.u8()?)?;
        ops.push(match kind {
            PUT => LogOp::Put { table, key: bytes.str()?.to_owned(), value: bytes.bytes()?.to_vec() },
            DELETE => LogOp::Delete { table, key: bytes.str()?.to_owned() },
            APPEND => {
                let number = bytes.uvarint()?;
                let at = Timestamp(bytes.ivarint()?);
                LogOp::Append { table, entry: Entry { number, at, value: bytes.bytes()?.to_vec() } }
            }
            JOURNAL => read_journal(table, &mut bytes)?,
            _ => return Err(Malformed("a known change")),
        });
    }
    Ok(ops)
}

/// About how many bytes a change takes in the log.
pub(crate) fn size_of(op: &Op) -> usize {
    match op {
        Op::Put { key, value, .. } => key.len() + value.len() + 12,
        Op::Delete { key, .. } => key.len() + 8,
        Op::Append { value, .. } => value.len() + 24,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_survives() {
        let mut out = Vec::new();
        put_keyed(&mut out, Table::Outbox, "k", Some(b"{}"));
        put_keyed(&mut out, Table::Alerts, "gone", None);
        put_entry(&mut out, Table::Events, 5, Timestamp(-3), b"[1]");
        put_journal(&mut out, Table::Audit, 77, &[Span { first: 3, next: 9 }]);
        let entry = Entry { number: 5, at: Timestamp(-3), value: b"[1]".to_vec() };
        let expected = [
            LogOp::Put { table: Table::Outbox, key: "k".into(), value: b"{}".to_vec() },
            LogOp::Delete { table: Table::Alerts, key: "gone".into() },
            LogOp::Append { table: Table::Events, entry },
            LogOp::Journal { table: Table::Audit, next: 77, segments: vec![Span { first: 3, next: 9 }] },
        ];
        assert_eq!(read_ops(&out).unwrap(), expected);
        for cut in 1..out.len() {
            let _ = read_ops(&out[..cut]);
        }
    }

    #[test]
    fn codes_are_unique() {
        for table in Table::ALL {
            assert_eq!(table_of(table_code(table)), Ok(table));
        }
    }
}
