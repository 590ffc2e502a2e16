use std::{
    future::poll_fn,
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    Admission, ConnectionContext, Door, Service, SharedContext,
    patience::Patience,
    requests::{MOST_UNWANTED, answer},
};
use crate::{
    limits::{pace::Pace, quiet::Quiet, source::Source},
    model::KeyId,
    rt::{Shutdown, notice_dead_peers},
    tls::fingerprint_of_certificate,
};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection that is over waits for its peer to see that.
const LINGER: Duration = Duration::from_secs(2);

const READ_BUFFER: usize = 8 * 1024;

/// How long to wait after the system could not accept a connection, for example because all
/// file descriptors are in use.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A socket and what is behind it.
pub struct Port {
    pub listener: TcpListener,
    /// `None` for plain HTTP.
    pub tls: Option<Arc<ServerConfig>>,
    pub service: Service,
    pub door: Arc<Door>,
    /// `None` for a port that is not for hosts.
    pub hosts: Option<Arc<Comers>>,
}

/// Hosts that come: how fast they may, and who is one.
pub struct Comers {
    pub pace: Arc<Pace>,
    pub is_host: Box<dyn Fn(&KeyId) -> bool + Send + Sync>,
}

impl Comers {
    async fn handshake(
        &self,
        tls: TlsAcceptor,
        stream: Patience<TcpStream>,
        peer: SocketAddr,
    ) -> io::Result<TlsStream<Patience<TcpStream>>> {
        let from = Source::of(peer.ip());
        self.pace.turn(from).await?;
        let host_of = |stream: &_| key_of(stream).filter(|key| (self.is_host)(key));
        self.pace.handshake(from, tls.accept(stream), host_of).await
    }
}

/// The key that the peer has proven to have.
fn key_of(stream: &TlsStream<Patience<TcpStream>>) -> Option<KeyId> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    fingerprint_of_certificate(certificate).ok()
}

/// Serves until `shutdown`, then lets requests that are under way end.
pub async fn serve_port(port: Port, shutdown: Shutdown) {
    static CONNECTIONS: AtomicU64 = AtomicU64::new(1);
    let port = Arc::new(port);
    if let Err(error) = notice_dead_peers(&port.listener) {
        tracing::warn!(%error, "dead peers are noticed by their silence only: {error}");
    }
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = port.listener.accept() => accepted,
            () = shutdown.wait() => break,
        };
        // Ended connections need no more than to be forgotten.
        while connections.try_join_next().is_some() {}
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                static SAID: Quiet = Quiet::new();
                if let Some(left_out) = SAID.may_tell(Ipv4Addr::UNSPECIFIED.into()) {
                    tracing::warn!(%error, left_out, "cannot accept a connection: {error}");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(admission) = port.door.admit(peer.ip().to_canonical()) else {
            tracing::debug!(%peer, "turned away: too many are at their handshakes there");
            continue;
        };
        let evicted = admission.evicted();
        let id = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        // A held request costs what its task is made of: each part is boxed, so that the task does
        // not keep room for the largest of what it has been through.
        let connection =
            Box::pin(connection(port.clone(), stream, peer, admission, id, shutdown.clone()));
        connections.spawn(until_evicted(connection, evicted, peer));
    }
    let drained =
        timeout(DRAIN_TIMEOUT, async { while connections.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::debug!("some connections did not end in time");
    }
}

async fn until_evicted(
    connection: Pin<Box<dyn Future<Output = ()> + Send>>,
    evicted: impl Future<Output = ()>,
    peer: SocketAddr,
) {
    tokio::select! {
        () = connection => {}
        () = evicted => tracing::debug!(%peer, "turned out: too many connections"),
    }
}

async fn connection(
    port: Arc<Port>,
    stream: TcpStream,
    peer: SocketAddr,
    admission: Admission,
    id: u64,
    shutdown: Shutdown,
) {
    // Small answers must not wait for more to send.
    let _ = stream.set_nodelay(true);
    let stream = Patience::new(stream);
    let Some(tls) = port.tls.clone() else {
        let context = Arc::new(ConnectionContext::new(id, peer, None, admission));
        return Box::pin(requests(stream, port.service.clone(), context, shutdown)).await;
    };
    let handshake = Box::pin(handshake(tls, stream, peer, &admission, port.hosts.clone()));
    let Some(stream) = handshake.await else { return };
    let context = Arc::new(ConnectionContext::new(id, peer, key_of(&stream), admission));
    let _closed = OnClose(context.clone());
    Box::pin(requests(stream, port.service.clone(), context, shutdown)).await;
}

async fn handshake(
    tls: Arc<ServerConfig>,
    stream: Patience<TcpStream>,
    peer: SocketAddr,
    admission: &Admission,
    hosts: Option<Arc<Comers>>,
) -> Option<Box<TlsStream<Patience<TcpStream>>>> {
    let accepted = async {
        // Whoever says nothing takes nobody's turn.
        stream.get_ref().peek(&mut [0]).await?;
        admission.speaks();
        let tls = TlsAcceptor::from(tls);
        match hosts {
            None => tls.accept(stream).await,
            Some(hosts) => hosts.handshake(tls, stream, peer).await,
        }
    };
    match timeout(HANDSHAKE_TIMEOUT, accepted).await {
        Ok(Ok(stream)) => return Some(Box::new(stream)),
        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS handshake"),
        Err(_) => tracing::debug!(%peer, "no TLS handshake in time"),
    }
    None
}

/// Whoever waits for the end of a connection hears of it, also when its task is dropped.
struct OnClose(SharedContext);

impl Drop for OnClose {
    fn drop(&mut self) {
        self.0.closed();
    }
}

async fn requests<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    service: Service,
    context: SharedContext,
    shutdown: Shutdown,
) {
    let peer = context.peer;
    let service = service_fn(move |request| answer(service.clone(), &context, request));
    let mut connection = Box::new(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(READ_BUFFER)
            .serve_connection(TokioIo::new(stream), service),
    );
    let ended = tokio::select! {
        ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => ended,
        () = shutdown.wait() => {
            Pin::new(&mut *connection).graceful_shutdown();
            poll_fn(|cx| connection.poll_without_shutdown(cx)).await
        }
    };
    if let Err(error) = &ended {
        tracing::trace!(%peer, %error, "connection ended");
    }
    // Whoever sent nothing has nothing to miss.
    if !ended.is_err_and(|error| error.is_timeout()) {
        let stream = connection.into_parts().io.into_inner();
        let _gone_anyway = timeout(LINGER, Box::pin(take_leave(stream))).await;
    }
}

/// Says that no more will come, and reads on until the peer says so too: what is not read when a
/// socket is closed resets the connection, and with it goes the answer.
async fn take_leave<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = stream.take(MOST_UNWANTED);
    let mut unread = [0; 2048];
    while rest.read(&mut unread).await? > 0 {}
    Ok(())
}
