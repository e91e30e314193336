//! Networks: names, cutting off, coming back.

use testcelery_api::{ContainerSpec, Engine, Exec};

use crate::{docker, redis_image, script, started};

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn names_resolve_and_come_back_after_a_cut() {
    let docker = docker().await;
    let network = docker.create_network(&[]).await.unwrap();
    let redis = ContainerSpec::new("broker", redis_image())
        .command(["redis-server", "--save", "", "--protected-mode", "no"])
        .port(6379)
        .alias("redis.example")
        .network(network.clone());
    let redis = started(&docker, redis).await;
    redis.logs().wait_for("Ready to accept connections").await.unwrap();
    let other = started(&docker, script("worker-1", "exec sleep 60").network(network.clone())).await;
    let reaches = async |name: &str| {
        let ping = Exec::new(["timeout", "5", "redis-cli", "-h", name, "ping"]);
        other.exec(ping).await.unwrap().stdout == b"PONG\n"
    };
    assert!(reaches("broker").await && reaches("redis.example").await);
    let host = redis.exec(Exec::new(["hostname"])).await.unwrap();
    assert_eq!(host.stdout, b"broker\n");

    let connects = async |address: String| tokio::net::TcpStream::connect(address).await.is_ok();
    assert!(connects(redis.endpoint(6379).unwrap().host_address()).await);
    network.disconnect(&*redis).await.unwrap();
    assert!(!reaches("broker").await);
    let error = redis.endpoint(6379).unwrap_err().to_string();
    assert!(error.contains("cut off"), "{error}");

    network.connect(&*redis).await.unwrap();
    assert!(reaches("broker").await && reaches("redis.example").await);
    assert!(connects(redis.endpoint(6379).unwrap().host_address()).await);

    assert!(network.remove().await.is_err(), "containers are in it");
    other.remove().await.unwrap();
    redis.remove().await.unwrap();
    network.remove().await.unwrap();
    network.remove().await.unwrap();
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn free_networks_are_counted() {
    let docker = docker().await;
    assert!((1..=31).contains(&docker.free_networks().await.unwrap()));
}
