//! The client of a bucket, made once and shared: its connections are kept for the next recording.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use object_store::{ClientConfigKey, ClientOptions, ObjectStore, RetryConfig};

use super::super::scheme::Scheme;
use super::errors;

/// Requests that fail are repeated at most so often,
const MOST_RETRIES: usize = 8;
/// and not after this time.
const RETRY_TIME: Duration = Duration::from_secs(60);
/// Time of a request, also of one that sends or reads many MB over a slow line. The library's own bound,
/// 30 s, is too short for those. `AWS_TIMEOUT` and the like set another one.
const REQUEST_TIME: &str = "120s";

/// By the beginning of their URLs.
static CLIENTS: Mutex<BTreeMap<String, Arc<dyn ObjectStore>>> = Mutex::new(BTreeMap::new());
static TLS: Once = Once::new();

/// The client of a bucket. Settings and credentials come from the environment.
pub(super) fn client(scheme: Scheme, bucket: &str, base: &str) -> io::Result<Arc<dyn ObjectStore>> {
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(client) = clients.get(base) {
        return Ok(Arc::clone(client));
    }
    use_ring();
    let client = connect(scheme, bucket).map_err(errors::of_store)?;
    clients.insert(base.to_owned(), Arc::clone(&client));
    Ok(client)
}

/// Gives the HTTP library a cryptography, which it does not bring. A program that chose one keeps
/// it.
pub(super) fn use_ring() {
    TLS.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

fn retries() -> RetryConfig {
    RetryConfig {
        max_retries: MOST_RETRIES,
        retry_timeout: RETRY_TIME,
        ..RetryConfig::default()
    }
}

/// The bound of a request that the library has where none is set.
fn default_time() -> Option<String> {
    ClientOptions::default().get_config_value(&ClientConfigKey::Timeout)
}

fn connect(scheme: Scheme, bucket: &str) -> object_store::Result<Arc<dyn ObjectStore>> {
    match scheme {
        #[cfg(feature = "s3")]
        Scheme::S3 => {
            let time = object_store::aws::AmazonS3ConfigKey::Client(ClientConfigKey::Timeout);
            let mut builder = object_store::aws::AmazonS3Builder::from_env();
            if builder.get_config_value(&time) == default_time() {
                builder = builder.with_config(time, REQUEST_TIME);
            }
            let builder = builder.with_bucket_name(bucket).with_retry(retries());
            Ok(Arc::new(builder.build()?))
        }
        #[cfg(feature = "gcp")]
        Scheme::Gcs => {
            let time = object_store::gcp::GoogleConfigKey::Client(ClientConfigKey::Timeout);
            let mut builder = object_store::gcp::GoogleCloudStorageBuilder::from_env();
            if builder.get_config_value(&time) == default_time() {
                builder = builder.with_config(time, REQUEST_TIME);
            }
            let builder = builder.with_bucket_name(bucket).with_retry(retries());
            Ok(Arc::new(builder.build()?))
        }
        #[cfg(feature = "azure")]
        Scheme::Azure => {
            let time = object_store::azure::AzureConfigKey::Client(ClientConfigKey::Timeout);
            let mut builder = object_store::azure::MicrosoftAzureBuilder::from_env();
            if builder.get_config_value(&time) == default_time() {
                builder = builder.with_config(time, REQUEST_TIME);
            }
            let builder = builder.with_container_name(bucket).with_retry(retries());
            Ok(Arc::new(builder.build()?))
        }
        #[cfg(not(all(feature = "s3", feature = "gcp", feature = "azure")))]
        other => {
            let _ = (bucket, retries());
            Err(object_store::Error::NotSupported {
                source: other.as_str().into(),
            })
        }
    }
}
