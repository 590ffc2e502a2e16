use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use ece_agent::tls::{PinVerifier, PrivateKey, client_config, fingerprint_of_pem};
use rustls::{ClientConnection, StreamOwned};

use super::{Cluster, Finished, agent};

/// A connection of a client that does with it what no library would.
pub trait Raw: Read + Write + Send {}

impl<T: Read + Write + Send> Raw for T {}

/// Makes connections to a cluster's first host.
pub struct Caller {
    address: String,
    tls: Arc<rustls::ClientConfig>,
}

impl Caller {
    /// With `key`, or as somebody who has none.
    pub fn new(cluster: &Cluster, key: Option<&PrivateKey>) -> Self {
        ece_agent::tls::install_provider();
        let state = cluster.first.state.to_str().unwrap();
        let pem = Finished::of(&mut agent(["ca", "show", "--pem", "--state-dir", state]));
        let pin = fingerprint_of_pem(pem.stdout.as_bytes()).unwrap();
        let tls = client_config(Arc::new(PinVerifier::new([pin], [])), key).unwrap();
        Self { address: cluster.first.address.clone(), tls: Arc::new(tls) }
    }

    /// TLS where the port speaks it.
    pub fn connect(&self, port: u16) -> Box<dyn Raw> {
        let socket = TcpStream::connect((self.address.as_str(), port)).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        if port == 12400 {
            return Box::new(socket);
        }
        let name = self.address.clone().try_into().unwrap();
        let connection = ClientConnection::new(self.tls.clone(), name).unwrap();
        Box::new(StreamOwned::new(connection, socket))
    }
}

/// One answer's head, in lower case, and its body; why there is none, else.
pub fn answer(stream: &mut dyn Raw) -> std::io::Result<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body)?;
    Ok((head, body))
}

/// A request with a body, as text.
pub fn request(line: &str, headers: &str, body: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}
