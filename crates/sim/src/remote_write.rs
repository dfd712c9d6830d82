//! Remote write from the sender's side: samples as a Prometheus encodes them for another.
//! <https://prometheus.io/docs/specs/prw/remote_write_spec/>

/// A series on the wire.
#[derive(Clone, Debug)]
pub struct Series {
    labels: Vec<(String, String)>,
    samples: Vec<(i64, f64)>,
}

impl Series {
    /// Labels in the order of their names, `__name__` among them; samples as milliseconds and values.
    #[must_use]
    pub fn new<'a>(
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
        samples: impl IntoIterator<Item = (i64, f64)>,
    ) -> Self {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self { labels: labels.into_iter().map(own).collect(), samples: samples.into_iter().collect() }
    }

    fn encode(&self) -> Vec<u8> {
        let mut message = Vec::new();
        for (name, value) in &self.labels {
            let mut label = Vec::new();
            field(&mut label, 1, name.as_bytes());
            field(&mut label, 2, value.as_bytes());
            field(&mut message, 1, &label);
        }
        for (at, value) in &self.samples {
            let mut sample = vec![0x09];
            sample.extend_from_slice(&value.to_le_bytes());
            sample.push(0x10);
            varint(&mut sample, at.cast_unsigned());
            field(&mut message, 2, &sample);
        }
        message
    }
}

/// A `prometheus.WriteRequest`, not compressed; `(type, family, help, unit)` describe metrics.
#[must_use]
pub fn encode(series: &[Series], metadata: &[(u8, &str, &str, &str)]) -> Vec<u8> {
    let mut request = Vec::new();
    for series in series {
        field(&mut request, 1, &series.encode());
    }
    for (kind, family, help, unit) in metadata {
        let mut message = vec![0x08, *kind];
        field(&mut message, 2, family.as_bytes());
        field(&mut message, 4, help.as_bytes());
        field(&mut message, 5, unit.as_bytes());
        field(&mut request, 3, &message);
    }
    request
}

/// The headers of a request besides its length.
pub const HEADERS: [(&str, &str); 3] = [
    ("Content-Type", "application/x-protobuf"),
    ("Content-Encoding", "snappy"),
    ("X-Prometheus-Remote-Write-Version", "0.1.0"),
];

/// The body of a request: an encoded message, compressed.
///
/// # Panics
/// When the message is longer than snappy's 4 GiB.
#[must_use]
#[expect(clippy::expect_used, reason = "test equipment: a request that cannot be made is a failed test")]
pub fn pack(request: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(request).expect("a request of reasonable size")
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
