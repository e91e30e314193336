//! A transport and a result store that speak to nobody.

use std::sync::Arc;

use async_trait::async_trait;
use testcelery::client::{
    Address, Error, Inbox, Message, QueueDeclaration, Result, ResultMeta, ResultStore, StoreFactory,
    Transport, TransportFactory,
};

/// Accepts every message and delivers none.
#[derive(Debug)]
pub(crate) struct FakeTransport;

#[async_trait]
impl TransportFactory for FakeTransport {
    fn schemes(&self) -> &'static [&'static str] {
        &["fake"]
    }

    async fn connect(&self, _: Arc<dyn Address>) -> Result<Arc<dyn Transport>> {
        Ok(Arc::new(Self))
    }
}

#[async_trait]
impl Transport for FakeTransport {
    fn safe_url(&self) -> String {
        "fake://broker:1/".to_owned()
    }

    async fn publish(&self, _: &QueueDeclaration, _: &Message) -> Result<()> {
        Ok(())
    }

    async fn broadcast(&self, _: &str, _: &Message) -> Result<()> {
        Ok(())
    }

    async fn open_inbox(&self, _: &str, _: &str) -> Result<Box<dyn Inbox>> {
        Err(self.no_rpc())
    }

    async fn rpc_store(&self) -> Result<Arc<dyn ResultStore>> {
        Err(self.no_rpc())
    }

    /// As a connection whose server died without a word.
    async fn close(&self) {
        std::future::pending().await
    }
}

impl FakeTransport {
    fn no_rpc(&self) -> Error {
        Error::NoRpc { url: self.safe_url() }
    }
}

/// Keeps no results.
#[derive(Debug)]
pub(crate) struct FakeStores;

#[async_trait]
impl StoreFactory for FakeStores {
    fn schemes(&self) -> &'static [&'static str] {
        &["fake"]
    }

    async fn connect(&self, _: Arc<dyn Address>) -> Result<Arc<dyn ResultStore>> {
        Ok(Arc::new(Self))
    }
}

#[async_trait]
impl ResultStore for FakeStores {
    fn safe_url(&self) -> String {
        "fake://backend:2/".to_owned()
    }

    async fn watch(&self, _: &str) -> Result<()> {
        Ok(())
    }

    async fn get(&self, _: &str) -> Result<Option<ResultMeta>> {
        Ok(None)
    }

    async fn wait(&self, _: &str) -> Result<ResultMeta> {
        std::future::pending().await
    }

    async fn forget(&self, _: &str) -> Result<()> {
        Ok(())
    }

    async fn close(&self) {}
}
