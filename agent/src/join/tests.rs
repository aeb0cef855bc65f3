use super::*;
use crate::{
    discovery::FoundDaemon,
    link::moved::first_of_ours,
    testing::{eventually, nobody},
};
use futures::StreamExt;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair,
};
use rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivatePkcs8KeyDer, version::TLS13};
use std::sync::Mutex;
use tarpc::{
    context::Context,
    server::{BaseChannel, Channel},
};
use tokio::{net::TcpListener, sync::Notify};
use tokio_rustls::TlsAcceptor;
use tweenfarm_protocol::{
    AgentId,
    join::{ALPN_AGENTS, Certificate, DAEMON_NAME, InviteSecret, Joined, Joining},
};

/// A daemon that lets everybody join, and notes who shook hands with it and what they asked.
struct Host {
    address: String,
    authority: Fingerprint,
    noted: Arc<Mutex<Noted>>,
}

#[derive(Default)]
struct Noted {
    handshakes: Vec<Result<(), String>>,
    requests: Vec<JoinRequest>,
    /// Breaks the connection instead of answering.
    loses_answers: bool,
}

#[derive(Clone)]
struct Service {
    issuer: Arc<Issuer<'static, KeyPair>>,
    noted: Arc<Mutex<Noted>>,
    /// A request was noted that gets no answer.
    asked: Arc<Notify>,
}

impl Joining for Service {
    async fn join(self, _: Context, request: JoinRequest) -> Result<Joined, JoinRefusal> {
        let mut asked = CertificateSigningRequestParams::from_pem(&request.certificate_request).unwrap();
        asked.params = CertificateParams::default();
        asked.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let pem = asked.signed_by(&self.issuer).unwrap().pem();
        let loses = {
            let mut noted = self.noted.lock().unwrap();
            noted.requests.push(request);
            noted.loses_answers
        };
        if loses {
            self.asked.notify_one();
            std::future::pending::<()>().await;
        }
        let agent = AgentId(uuid::Uuid::from_u128(5));
        Ok(Joined { agent, certificate: Certificate { pem, expires_in_seconds: 900 } })
    }
}

impl Host {
    async fn start() -> Host {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let authority_key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&authority_key).unwrap().der().clone();
        let issuer = Issuer::new(params, authority_key);
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([DAEMON_NAME.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let own = params.signed_by(&key, &issuer).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![own.der().clone(), authority.clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        config.alpn_protocols = vec![ALPN_JOINING.to_vec(), ALPN_AGENTS.to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let noted: Arc<Mutex<Noted>> = Arc::default();
        let service = Service { issuer: Arc::new(issuer), noted: noted.clone(), asked: Arc::default() };
        tokio::spawn(async move {
            let acceptor = TlsAcceptor::from(Arc::new(config));
            while let Ok((stream, _)) = listener.accept().await {
                let met = acceptor.accept(stream).await;
                let note = met.as_ref().map(|_| ()).map_err(|cause| cause.to_string());
                service.noted.lock().unwrap().handshakes.push(note);
                let Ok(stream) = met else { continue };
                let loses = service.noted.lock().unwrap().loses_answers;
                let channel = BaseChannel::with_defaults(codec::limited(stream, codec::JOINING_BYTES_MAX));
                let served = channel.execute(service.clone().serve()).for_each_concurrent(None, |answer| answer);
                if loses {
                    // Once the call is noted the cable is pulled.
                    tokio::select! {
                        () = served => {}
                        () = service.asked.notified() => {}
                    }
                } else {
                    tokio::spawn(served);
                }
            }
        });
        Host { address, authority: pinned::fingerprint(&authority), noted }
    }

    fn invitation(&self, authority: Fingerprint) -> Invitation {
        let (name, address) = ("gpu-1".to_owned(), Some(self.address.clone()));
        Invitation { name, address, authority, secret: InviteSecret([4; 32]) }
    }
}

#[tokio::test]
async fn a_machine_that_joins_keeps_key_certificate_and_authority_for_its_own_eyes() {
    use std::os::unix::fs::PermissionsExt;
    let (host, folder) = (Host::start().await, tempfile::tempdir().unwrap());
    let state = JoiningFolder::open(folder.path()).unwrap();
    let joined = join(&state, &host.invitation(host.authority), None).await.unwrap();
    assert_eq!((joined.agent.0.as_u128(), joined.name.as_str()), (5, "gpu-1"));
    let kept = Membership::read(&state.membership_file()).unwrap().unwrap();
    assert_eq!(kept, joined);
    kept.tls().expect("it can be dialed with");
    let mode = std::fs::metadata(state.membership_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!state.key_file().exists());
    assert!(kept.renew_at > Timestamp::now() && kept.renew_at <= Timestamp::now().plus(Duration::from_secs(300)));
}

#[tokio::test]
async fn nothing_is_sent_to_a_daemon_with_another_authority_than_the_invitations() {
    let (host, folder) = (Host::start().await, tempfile::tempdir().unwrap());
    let state = JoiningFolder::open(folder.path()).unwrap();
    let refused = join(&state, &host.invitation(Fingerprint([1; 32])), None).await.unwrap_err().to_string();
    assert!(refused.contains("nothing was sent"), "{refused}");
    eventually("the handshake was broken off", || !host.noted.lock().unwrap().handshakes.is_empty()).await;
    let noted = host.noted.lock().unwrap();
    assert!(noted.handshakes[0].is_err() && noted.requests.is_empty());
    assert_eq!(Membership::read(&state.membership_file()).unwrap(), None);
}

#[tokio::test]
async fn a_join_whose_answer_was_lost_is_tried_again_with_the_same_key() {
    let (host, folder) = (Host::start().await, tempfile::tempdir().unwrap());
    let state = JoiningFolder::open(folder.path()).unwrap();
    host.noted.lock().unwrap().loses_answers = true;
    let lost = join(&state, &host.invitation(host.authority), None).await;
    assert!(matches!(lost, Err(JoinError::Broken(_))), "{lost:?}");
    host.noted.lock().unwrap().loses_answers = false;
    join(&state, &host.invitation(host.authority), None).await.unwrap();
    let noted = host.noted.lock().unwrap();
    let keys = noted.requests.iter().map(|request| {
        let read = CertificateSigningRequestParams::from_pem(&request.certificate_request).unwrap();
        rcgen::PublicKeyData::subject_public_key_info(&read.public_key)
    });
    let keys: Vec<_> = keys.collect();
    assert!(keys.len() == 2 && keys[0] == keys[1], "{} requests", keys.len());
}

#[tokio::test]
async fn of_all_that_answer_in_a_network_only_the_farm_that_was_joined_is_found_again() {
    let (ours, other, folder) = (Host::start().await, Host::start().await, tempfile::tempdir().unwrap());
    let state = JoiningFolder::open(folder.path()).unwrap();
    let joined = join(&state, &ours.invitation(ours.authority), None).await.unwrap();
    assert!(!joined.discovered, "its address was said: only a person says another one");
    let (_held, gone) = nobody();
    let found = |addresses: &[&String], authority: Option<Fingerprint>| FoundDaemon {
        name: "tweenfarm on host".to_owned(),
        addresses: addresses.iter().map(|address| (*address).clone()).collect(),
        authority: authority.map(|authority| authority.to_string()),
    };
    // One that is not there, one that lies about its authority, one that says nothing of it.
    let liars = [found(&[&gone, &other.address], Some(ours.authority)), found(&[&other.address], None)];
    assert_eq!(first_of_ours(&joined, &liars).await, None);
    eventually("both tried to shake hands", || other.noted.lock().unwrap().handshakes.len() == 2).await;
    assert!(other.noted.lock().unwrap().handshakes.iter().all(Result::is_err), "nothing but a greeting was sent");
    let all = [found(&[&other.address], Some(other.authority)), found(&[&gone, &ours.address], Some(ours.authority))];
    assert_eq!(first_of_ours(&joined, &all).await, Some(ours.address.clone()));
}

#[test]
fn where_the_daemon_is_now_is_kept_and_the_membership_of_an_earlier_release_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("membership.json");
    let farm = Farm { daemon: "192.0.2.7:8090".into(), discovered: true, authority_pem: String::new() };
    let certificate = Certificate { pem: String::new(), expires_in_seconds: 900 };
    let who = (AgentId(uuid::Uuid::from_u128(5)), "gpu-1".to_owned());
    let membership = Membership::new(who, farm, String::new(), certificate, Timestamp(0));
    membership.write(&path).unwrap();
    membership::Current::new(path.clone(), membership).moved("192.0.2.8:8090".into()).unwrap();
    let kept = Membership::read(&path).unwrap().unwrap();
    assert_eq!((kept.daemon.as_str(), kept.discovered), ("192.0.2.8:8090", true));
    let earlier = std::fs::read_to_string(&path).unwrap().replace("  \"discovered\": true,\n", "");
    assert!(!earlier.contains("discovered"), "{earlier}");
    std::fs::write(&path, earlier).unwrap();
    assert!(!Membership::read(&path).unwrap().unwrap().discovered);
}
