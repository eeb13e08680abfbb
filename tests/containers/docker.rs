//! The daemon, and containers as these tests want them.

use std::collections::HashMap;

use testcontainers::bollard::{self, Docker};
use testcontainers::core::client::docker_client_instance;
use testcontainers::core::{IntoContainerPort as _, WaitFor};
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt as _};
use tokio::sync::OnceCell;

/// A container of a server.
pub type Container = ContainerAsync<GenericImage>;

/// The daemon's client; `None` where no daemon answers, and then the record of the run says so.
pub async fn daemon() -> Option<Docker> {
    static ANSWERS: OnceCell<bool> = OnceCell::const_new();
    let client = docker_client_instance().await;
    let answers = ANSWERS.get_or_init(|| async {
        let answer = match &client {
            Ok(client) => client.ping().await.map(drop).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let for_people = tokio::task::spawn_blocking(servers::docker_answers).await.unwrap();
        if let Err(error) = &answer {
            assert!(!for_people, "the docker command finds a daemon, testcontainers does not: {error}");
        }
        let said = if answer.is_ok() { "yes" } else { "no (no Docker daemon answers)" };
        servers::record(&format!("containers by testcontainers: {said}"));
        answer.is_ok()
    });
    answers.await.then(|| client.unwrap())
}

/// A request for a container of a server that listens on `port`, which is ready when it says all of `ready`.
pub fn server(image: &str, port: u16, ready: &[WaitFor]) -> GenericImage {
    let (name, tag) = image.split_once(':').unwrap();
    let image = GenericImage::new(name, tag).with_exposed_port(port.tcp());
    ready.iter().cloned().fold(image, GenericImage::with_wait_for)
}

/// The request with what all containers of these tests have: a label by which they are found when we are gone, and the
/// server's `port` on one of 127.0.0.1, which is returned with it and stays over a restart.
pub async fn ours(
    request: impl Into<ContainerRequest<GenericImage>>,
    image: &str,
    port: u16,
) -> (ContainerRequest<GenericImage>, u16) {
    let image = image.to_owned();
    let prepared = tokio::task::spawn_blocking(move || {
        servers::provide_image(&image);
        (servers::container_label(), servers::free_port())
    });
    let ((label, value), here) = prepared.await.unwrap();
    let request = request.into().with_label(label, value).with_mapped_port(here, port.tcp());
    // Without this Docker listens on all of the machine's addresses.
    let request = request.with_host_config_modifier(|host| {
        let ports: &mut HashMap<_, _> = host.port_bindings.get_or_insert_default();
        for binding in ports.values_mut().flatten().flatten() {
            binding.host_ip = Some("127.0.0.1".to_owned());
        }
    });
    (request, here)
}

/// SIGKILL to all of a container's processes.
pub async fn kill(docker: &Docker, container: &Container) {
    let options = None::<bollard::query_parameters::KillContainerOptions>;
    docker.kill_container(container.id(), options).await.unwrap();
}
