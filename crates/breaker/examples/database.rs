//! A database call behind a breaker: a Redis-speaking server, asked over its real protocol, with a time-out
//! and the last known value as a fallback.
//!
//! ```sh
//! cargo run -p breakwatch-breaker --example database                    # against a stand-in that hangs half-way
//! REDIS=127.0.0.1:6379 cargo run -p breakwatch-breaker --example database
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::io;
use std::time::Duration;

use breakwatch_breaker::{Breaker, CallError, Preset};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A guarded database: what the rest of the program sees of it.
struct Database {
    address: String,
    breaker: Breaker,
}

impl Database {
    /// The breaker wraps one attempt, connection included: a database that cannot be reached is a failure too.
    async fn count_visit(&self) -> Result<u64, CallError<io::Error>> {
        self.breaker.call_with_timer(tokio::time::sleep, self.increment()).await
    }

    async fn increment(&self) -> io::Result<u64> {
        let mut stream = BufReader::new(TcpStream::connect(&self.address).await?);
        stream.write_all(b"*2\r\n$4\r\nINCR\r\n$6\r\nvisits\r\n").await?;
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let number = line.strip_prefix(':').and_then(|number| number.trim_end().parse().ok());
        number.ok_or_else(|| io::Error::other(format!("not a number: {line:?}")))
    }
}

/// Counts, as the real one does, and hangs from the 3rd to the 11th question.
async fn start_stand_in() -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    tokio::spawn(async move {
        let mut hanging = Vec::new();
        for visit in 1_u32.. {
            let (mut stream, _) = listener.accept().await?;
            if (3..12).contains(&visit) {
                hanging.push(stream);
            } else {
                stream.write_all(format!(":{visit}\r\n").as_bytes()).await?;
            }
        }
        io::Result::Ok(())
    });
    Ok(address)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = match std::env::var("REDIS") {
        Ok(address) => address,
        Err(_) => start_stand_in().await?,
    };
    let config = Preset::Database
        .builder()
        .call_timeout(Duration::from_millis(50))
        .open_for(Duration::from_millis(200))
        .build()?;
    let breaker = Breaker::new("visits", config, tokio::time::Instant::now().into_std())?;
    breaker.on_transition(|change| println!("-- {} -> {}: {}", change.from, change.to, change.reason));
    let database = Database { address, breaker };

    let mut last_known = 0;
    for _ in 0..60 {
        match database.count_visit().await {
            Ok(visits) => {
                last_known = visits;
                println!("visit {visits}");
            }
            Err(error) if error.is_rejected() => println!("about {last_known} visits ({error})"),
            Err(error) => println!("about {last_known} visits (asked in vain: {error})"),
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    Ok(())
}
