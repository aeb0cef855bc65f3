//! The network's door with a farm behind it, and machines that come to it: with a key of their own, a line, a certificate.

use super::scene::*;
use futures::future::BoxFuture;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    version::TLS13,
};
use std::{
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tarpc::{client, context::Context};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;
use tweenfarm_daemon::{
    blobs::{Blobs, DiskStore, Signer, SigningKey},
    farm::Clock,
    join::{Authority, authority::Request, invitation::Inviter},
    model::Agent,
    probation::Probation,
    rpc::{self, Office, RpcSettings},
    store::MemoryStore,
};
use tweenfarm_protocol::{
    AgentId, Timestamp, codec,
    join::{
        ALPN_AGENTS, ALPN_JOINING, Certificate, DAEMON_NAME, Invitation, JoinRefusal, JoinRequest, Joined,
        JoiningClient,
    },
    service::{FarmClient, PROTOCOL_VERSIONS},
};

pub struct Door {
    pub scene: Scene,
    pub authority: Arc<Authority>,
    pub address: SocketAddr,
    store: Arc<MemoryStore>,
    settings: RpcSettings,
    stop: CancellationToken,
    folder: tempfile::TempDir,
}

/// A member that is connected and has said hello with one worker.
pub struct Member {
    pub id: AgentId,
    pub machine: Machine,
    pub joined: Joined,
    pub client: FarmClient,
}

impl Door {
    pub async fn open(settings: RpcSettings) -> Door {
        Door::on(Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap(), settings).await
    }

    async fn on(store: Arc<MemoryStore>, folder: tempfile::TempDir, settings: RpcSettings) -> Door {
        // TLS reads this machine's clock: the scene begins at the same time.
        let (clock, now) = (TestClock::new(), Timestamp::now());
        clock.advance(now.since(clock.now()));
        clock.go_back(clock.now().since(now));
        let scene = Scene::at(store.clone(), RULES, clock);
        let authority = Authority::load_or_create(&folder.path().join("authority.pem"), Timestamp::now()).unwrap();
        let authority = Arc::new(authority);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let blobs = blobs_in(folder.path());
        let probation = Probation::new(scene.farm.clone(), blobs.clone());
        probation.prepare().await.unwrap();
        let office = Office { farm: scene.farm.clone(), blobs, authority: authority.clone(), probation, settings };
        tokio::spawn(rpc::serve_network(listener, office, stop.clone()));
        Door { scene, authority, address, store, settings, stop, folder }
    }

    /// As after a power cut: what was synced is there, nothing else.
    pub async fn restart(&mut self) {
        self.stop.cancel();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        *self = Door::on(Arc::new(self.store.crash()), folder, self.settings).await;
    }

    pub async fn invite(&self, name: &str, valid_for: Duration) -> Invitation {
        let inviter = Inviter::new(Some(self.address.to_string()), self.authority.fingerprint());
        inviter.invite(&self.scene.farm, name.to_owned(), valid_for).await.unwrap().0
    }

    pub async fn join(&self, machine: &Machine, line: &Invitation) -> Result<Joined, JoinRefusal> {
        let daemon =
            JoiningClient::new(client::Config::default(), codec::transport(self.greet_stranger().await)).spawn();
        let request = JoinRequest {
            protocol: (*PROTOCOL_VERSIONS.start(), *PROTOCOL_VERSIONS.end()),
            name: line.name.clone(),
            secret: line.secret.clone(),
            certificate_request: machine.request(),
        };
        daemon.join(within(), request).await.expect("an answer")
    }

    pub async fn member(&self, name: &str) -> Member {
        let machine = Machine::new();
        let line = self.invite(name, Duration::from_secs(60)).await;
        let joined = self.join(&machine, &line).await.unwrap();
        let client = self.dial(&machine, &joined).await.expect("a member gets in");
        client.hello(within(), hello(joined.agent, 1)).await.unwrap().unwrap();
        self.scene.farm.prove(joined.agent, "00".into()).await.unwrap();
        Member { id: joined.agent, machine, joined, client }
    }

    /// A connection as the agent that joined; none when it is refused.
    pub async fn dial(&self, machine: &Machine, joined: &Joined) -> Option<FarmClient> {
        self.dial_as(Some((machine, &joined.certificate))).await
    }

    pub async fn dial_as(&self, shown: Option<(&Machine, &Certificate)>) -> Option<FarmClient> {
        let client = client_over(self.greet(ALPN_AGENTS, shown).await?);
        // A certificate is refused after the client's side of the handshake: a call tells.
        let nobody = client.next_task(within(), AgentId(uuid::Uuid::nil()), 0, 0).await;
        nobody.is_ok().then_some(client)
    }

    pub async fn greet_stranger(&self) -> TlsStream<TcpStream> {
        self.greet(ALPN_JOINING, None).await.expect("a stranger may ask to join")
    }

    fn greet<'a>(
        &'a self,
        service: &'a [u8],
        shown: Option<(&'a Machine, &'a Certificate)>,
    ) -> BoxFuture<'a, Option<TlsStream<TcpStream>>> {
        Box::pin(async move {
            let mut roots = RootCertStore::empty();
            roots.add(self.authority.certificate().clone()).unwrap();
            let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_protocol_versions(&[&TLS13])
                .unwrap()
                .with_root_certificates(roots);
            let mut config = match shown {
                None => config.with_no_client_auth(),
                Some((machine, certificate)) => {
                    let certificate = CertificateDer::from_pem_slice(certificate.pem.as_bytes()).unwrap();
                    let key = machine.0.serialize_pem();
                    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                    config.with_client_auth_cert(vec![certificate], key).unwrap()
                }
            };
            config.alpn_protocols = vec![service.to_vec()];
            let stream = TcpStream::connect(self.address).await.unwrap();
            let name = ServerName::try_from(DAEMON_NAME).unwrap();
            TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()
        })
    }
}

fn blobs_in(folder: &Path) -> Blobs {
    let disk = DiskStore::open(folder, 0).unwrap();
    let key = SigningKey { access: "test".into(), secret: "secret".into() };
    Blobs::on_disk(disk, Signer::new(&"http://127.0.0.1:1".parse().unwrap(), "bucket", key).unwrap())
}

/// A machine with a key of its own.
pub struct Machine(rcgen::KeyPair);

impl Machine {
    pub fn new() -> Machine {
        Machine(rcgen::KeyPair::generate().unwrap())
    }

    pub fn request(&self) -> String {
        rcgen::CertificateParams::default().serialize_request(&self.0).unwrap().pem().unwrap()
    }

    pub fn certified_by(&self, authority: &Authority, agent: &Agent) -> Certificate {
        authority.for_agent(Request::read(&self.request()).unwrap(), agent, Timestamp::now()).unwrap()
    }
}

pub fn client_over(stream: TlsStream<TcpStream>) -> FarmClient {
    FarmClient::new(client::Config::default(), codec::transport(stream)).spawn()
}

pub fn within() -> Context {
    let mut context = tarpc::context::current();
    context.deadline = Instant::now() + Duration::from_secs(60);
    context
}

/// Waits for something that another task does soon.
pub async fn until(holds: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < limit, "it never came true");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
