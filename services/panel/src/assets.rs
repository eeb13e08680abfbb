//! The style sheet, the script and the icon: compiled in, under names that change with their content, so that browsers keep them.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::failure::Failure;

struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static str,
    /// Its name and the beginning of its digest.
    served_as: String,
}

static ASSETS: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        ("panel.css", "text/css; charset=utf-8", include_str!("../assets/panel.css")),
        ("panel.js", "text/javascript; charset=utf-8", include_str!("../assets/panel.js")),
        ("panel.svg", "image/svg+xml", include_str!("../assets/panel.svg")),
    ]
    .map(|(name, kind, content)| {
        let digest: String = Sha256::digest(content).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Asset { name, kind, content, served_as: format!("{digest}-{name}") }
    })
});

/// Where an asset is.
pub fn path(name: &str) -> String {
    let served_as = ASSETS.iter().find(|asset| asset.name == name).map_or("", |asset| asset.served_as.as_str());
    format!("/assets/{served_as}")
}

/// `GET /assets/{name}`.
pub async fn serve(Path(name): Path<String>) -> Result<Response, Failure> {
    let asset = ASSETS.iter().find(|asset| asset.served_as == name).ok_or(Failure::NotFound)?;
    let headers = [(CONTENT_TYPE, asset.kind), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    Ok((headers, asset.content).into_response())
}
