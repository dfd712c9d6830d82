use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

async fn exchange(address: SocketAddr, request: &[u8]) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request).await?;
    stream.shutdown().await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test]
async fn records_requests_and_follows_the_script() {
    let receiver = Receiver::start().await.unwrap();
    receiver.then(Answer::text(503, "later").header("Retry-After", "7")).always(Answer::json(200, "{}"));
    let post = b"POST /hook?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nX-Id: 7\r\n\r\nabc";
    let first = exchange(receiver.address(), post).await.unwrap();
    assert!(first.starts_with("HTTP/1.1 503 "), "{first}");
    assert!(first.contains("Retry-After: 7\r\n") && first.ends_with("\r\n\r\nlater"), "{first}");
    let chunked = b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    assert!(exchange(receiver.address(), chunked).await.unwrap().ends_with("{}"));
    let requests = receiver.wait_for(2, Duration::from_secs(30)).await.unwrap();
    assert_eq!(
        (requests[0].method.as_str(), requests[0].path.as_str(), requests[0].body.as_slice()),
        ("POST", "/hook?x=1", b"abc".as_slice())
    );
    assert_eq!(requests[0].header("x-id"), Some("7"));
    assert_eq!((requests[1].json(), receiver.connections()), (serde_json::json!({}), 2));
}

#[tokio::test]
async fn resets_as_told() {
    let receiver = Receiver::start().await.unwrap();
    receiver.then(Answer::ResetOnAccept).then(Answer::ResetAfterRequest).then(Answer::HalfClose);
    let get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    // A reset may reach the peer while it still writes or when it reads.
    assert!(exchange(receiver.address(), get).await.is_err());
    assert_eq!(receiver.requests().len(), 0, "the reset came before the request was read");
    assert!(exchange(receiver.address(), get).await.is_err());
    assert_eq!(exchange(receiver.address(), get).await.unwrap(), "HTTP/1.1 2");
    assert_eq!(receiver.requests().len(), 2);
}

#[tokio::test]
async fn comes_back_on_its_old_port() {
    let receiver = Receiver::start().await.unwrap();
    let address = receiver.address();
    drop(receiver);
    let deadline = Duration::from_secs(30);
    let again = tokio::time::timeout(deadline, async {
        loop {
            match Receiver::start_on(address).await {
                Ok(receiver) => return receiver,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    });
    let again = again.await.expect("the port is free again");
    assert!(exchange(address, b"GET / HTTP/1.1\r\n\r\n").await.unwrap().starts_with("HTTP/1.1 200 "));
    assert_eq!(again.requests().len(), 1);
}
