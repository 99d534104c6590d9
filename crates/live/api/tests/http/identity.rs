//! Who may come in, and what the home holds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use http_body_util::Full;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::{Client, Home, Who, serve};

#[tokio::test]
async fn the_home_is_private_and_its_kubeconfig_is_whole() {
    let home = Home::new();
    let server = serve(&home).await;
    assert_eq!(home.mode(""), 0o700);
    for name in ["kubeconfig", "ca.key", "client.crt", "client.key", "sa.key", "state.redb"] {
        assert_eq!(home.mode(name), 0o600, "{name}");
    }
    let text = std::fs::read_to_string(&server.kubeconfig).unwrap();
    assert!(text.contains(&format!("server: https://{}", server.addresses[0])));
    for (field, pem) in [
        ("certificate-authority-data", &server.admin.ca_pem),
        ("client-certificate-data", &server.admin.certificate_pem),
        ("client-key-data", &server.admin.key_pem),
    ] {
        assert!(text.contains(&format!("{field}: {}", STANDARD.encode(pem))), "{field}");
    }
    server.stop().await;

    let again = serve(&home).await;
    let before = text.split("users:").nth(1);
    let after = std::fs::read_to_string(&again.kubeconfig).unwrap();
    assert_eq!(before, after.split("users:").nth(1), "a copied kubeconfig goes on working");
    again.stop().await;
}

#[tokio::test]
async fn a_second_server_on_the_same_home_is_refused() {
    let home = Home::new();
    let server = serve(&home).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = api::start(api::Config {
        home: home.path().to_owned(),
        advertise: listener.local_addr().unwrap(),
        listeners: vec![listener],
        names: Vec::new(),
        kubelet: home.path().join("kubelet.sock"),
        dial: api::dial_directly(),
    })
    .await;
    let message = format!("{:#}", refused.unwrap_err());
    assert!(message.contains("in use by another process"), "{message}");
    server.stop().await;
}

#[tokio::test]
async fn nobody_may_see_only_that_the_server_lives() {
    let home = Home::new();
    let server = serve(&home).await;
    let nobody = Client::new(&server).with(Who::Nobody);
    for path in ["/healthz", "/livez", "/readyz", "/version"] {
        assert_eq!(nobody.get(path).await.code, 200, "{path}");
    }
    for path in ["/api", "/apis", "/api/v1/pods", "/openapi/v3", "/nowhere"] {
        let refused = nobody.get(path).await.expect(403);
        assert_eq!(refused["kind"], "Status", "{path}");
        assert_eq!(refused["reason"], "Forbidden", "{path}");
    }
    let forged = nobody.with(Who::Token("e30.e30.x".to_owned()));
    assert_eq!(forged.get("/api/v1/pods").await.expect(401)["reason"], "Unauthorized");
    server.stop().await;
}

#[tokio::test]
async fn a_service_account_is_known_by_its_token_until_it_is_deleted() {
    let home = Home::new();
    let server = serve(&home).await;
    let admin = Client::new(&server);
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web"}});
    admin.post(accounts, &account).await.expect(201);

    let ask = |seconds: u64| {
        json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        })
    };
    let token_path = format!("{accounts}/web/token");
    admin.post(&token_path, &ask(1)).await.expect(422);
    admin.post(&format!("{accounts}/nobody/token"), &ask(600)).await.expect(404);
    let issued = admin.post(&token_path, &ask(600)).await.expect(201);
    let token = issued["status"]["token"].as_str().unwrap().to_owned();

    let web = admin.with(Who::Token(token.clone()));
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let user = &web.post(path, &review).await.expect(201)["status"]["userInfo"];
    assert_eq!(user["username"], "system:serviceaccount:default:web");
    assert_eq!(web.get("/apis").await.code, 200);
    let refused = web.get("/api/v1/namespaces/default/pods").await.expect(403);
    assert_eq!(
        refused["message"],
        "pods is forbidden: User \"system:serviceaccount:default:web\" cannot list resource \
         \"pods\" in API group \"\" in the namespace \"default\""
    );

    let review = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token},
    });
    let path = "/apis/authentication.k8s.io/v1/tokenreviews";
    let known = admin.post(path, &review).await.expect(201);
    assert_eq!(known["status"]["authenticated"], true);
    admin.delete(&format!("{accounts}/web")).await.expect(200);
    let gone = admin.post(path, &review).await.expect(201);
    assert_eq!(gone["status"]["authenticated"], false);
    assert_eq!(web.get("/apis").await.code, 401);
    server.stop().await;
}

#[tokio::test]
async fn a_token_is_good_for_its_audience_alone_and_dies_with_its_pod() {
    let home = Home::new();
    let server = serve(&home).await;
    let admin = Client::new(&server);
    let namespace = "/api/v1/namespaces/default";
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web"}});
    admin.post(&format!("{namespace}/serviceaccounts"), &account).await.expect(201);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1"},
        "spec": {"serviceAccountName": "web", "containers": [{"name": "app", "image": "x"}]}});
    let pod = admin.post(&format!("{namespace}/pods"), &pod).await.expect(201);
    let ask = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": ["istio-ca"], "expirationSeconds": 600, "boundObjectRef":
            {"apiVersion": "v1", "kind": "Pod", "name": "web-1", "uid": pod["metadata"]["uid"]}},
    });
    let path = format!("{namespace}/serviceaccounts/web/token");
    let issued = admin.post(&path, &ask).await.expect(201);
    let token = issued["status"]["token"].as_str().unwrap().to_owned();
    assert_eq!(admin.with(Who::Token(token.clone())).get("/apis").await.code, 401);

    let reviewed = async |audiences: &[&str]| {
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "spec": {"token": token, "audiences": audiences}});
        let path = "/apis/authentication.k8s.io/v1/tokenreviews";
        admin.post(path, &review).await.expect(201)["status"].clone()
    };
    let known = reviewed(&["istio-ca", "vault"]).await;
    assert_eq!(known["authenticated"], true);
    assert_eq!(known["audiences"], json!(["istio-ca"]));
    assert_eq!(known["user"]["username"], "system:serviceaccount:default:web");
    for audiences in [&["vault"][..], &[]] {
        let status = reviewed(audiences).await;
        assert_eq!(status["authenticated"], false, "{audiences:?}: {status}");
        assert_eq!(status["user"], json!({}));
    }
    let path = format!("{namespace}/pods/web-1?gracePeriodSeconds=0");
    admin.delete(&path).await.expect(200);
    assert_eq!(reviewed(&["istio-ca"]).await["authenticated"], false);
    server.stop().await;
}

#[tokio::test]
async fn clients_ask_what_they_may_do() {
    let home = Home::new();
    let server = serve(&home).await;
    let admin = Client::new(&server);
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "list", "resource": "pods", "namespace": "default"}},
    });
    assert_eq!(admin.post(path, &review).await.expect(201)["status"]["allowed"], true);
    // kubectl --as
    let request = Request::post(path)
        .header("impersonate-user", "system:serviceaccount:default:web")
        .body(Full::from(review.to_string()))
        .unwrap();
    assert_eq!(admin.send(request).await.expect(201)["status"]["allowed"], false);
    server.stop().await;
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_and_plain_text_is_told_off() {
    let home = Home::new();
    let server = serve(&home).await;
    let client = Client::new(&server);
    let stream = client.connect(&[b"h2"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let executor = hyper_util::rt::TokioExecutor::new();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let request =
        Request::get("https://localhost/api/v1/namespaces").body(Full::<bytes::Bytes>::default());
    assert_eq!(sender.send_request(request.unwrap()).await.unwrap().status(), 200);

    let mut plain = tokio::net::TcpStream::connect(server.addresses[0]).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let _ = plain.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.0 400 "), "{answer}");
    server.stop().await;
}
