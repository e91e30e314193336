//! A broker and a result backend in memory, which write down what is asked of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use serde_json::{Value, json};
use testcelery_client::{
    Address, App, AppBuilder, Error, Inbox, Message, QueueDeclaration, Result, ResultMeta, ResultStore,
    StoreFactory, Transport, TransportFactory,
};
use tokio::sync::mpsc;

/// What was asked, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    log: Vec<String>,
    published: Vec<Message>,
    broadcasts: Vec<Message>,
    results: HashMap<String, Value>,
    /// What workers answer to a command: sent with the ticket of the command, or with one of their own.
    replies: Vec<(Option<String>, String)>,
    inboxes: HashMap<String, mpsc::UnboundedSender<Message>>,
    refuse_publish: bool,
    mute: bool,
    down: Vec<String>,
    blocked: Option<String>,
}

impl World {
    pub(crate) fn builder(&self) -> AppBuilder {
        App::builder("test").transport_factory(self.clone()).store_factory(self.clone())
    }

    pub(crate) async fn app(&self) -> App {
        let builder = self.builder().broker_url("fake://h/").backend_url("fake://h/");
        builder.connect().await.unwrap()
    }

    /// An app whose calls fail where a handler does.
    pub(crate) async fn strict_app(&self) -> App {
        let builder = self.builder().broker_url("fake://h/").backend_url("fake://h/");
        builder.strict_signals(true).connect().await.unwrap()
    }

    /// Every task is done at once, with this result document beside its id.
    pub(crate) fn answer(&self, meta: Value) {
        self.with(|state| drop(state.results.insert("*".to_owned(), meta)));
    }

    /// A worker that answers each command; with a ticket of its own if there is one.
    pub(crate) fn worker(&self, ticket: Option<&str>, reply: &Value) {
        self.with(|state| state.replies.push((ticket.map(str::to_owned), reply.to_string())));
    }

    /// A worker that answers each command with a text.
    pub(crate) fn answer_raw(&self, reply: &str) {
        self.with(|state| state.replies.push((None, reply.to_owned())));
    }

    pub(crate) fn refuse_publish(&self) {
        self.with(|state| state.refuse_publish = true);
    }

    /// No server answers anything from now on.
    pub(crate) fn mute(&self) {
        self.with(|state| state.mute = true);
    }

    async fn heard(&self) {
        if self.with(|state| state.mute) {
            std::future::pending().await
        }
    }

    pub(crate) fn down(&self, host: &str) {
        self.with(|state| state.down.push(host.to_owned()));
    }

    /// From now on the broker takes no messages, and does not answer.
    pub(crate) fn block(&self, reason: &str) {
        self.with(|state| state.blocked = Some(reason.to_owned()));
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.with(|state| state.log.clone())
    }

    pub(crate) fn published(&self) -> Vec<Message> {
        self.with(|state| state.published.clone())
    }

    pub(crate) fn broadcasts(&self) -> Vec<Message> {
        self.with(|state| state.broadcasts.clone())
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap())
    }

    fn note(&self, line: impl Into<String>) {
        self.with(|state| state.log.push(line.into()));
    }

    fn refused(operation: &str) -> Error {
        Error::connection(operation, "fake://h/", "refused")
    }
}

#[async_trait]
impl TransportFactory for World {
    fn schemes(&self) -> &'static [&'static str] {
        &["fake"]
    }

    async fn connect(&self, address: Arc<dyn Address>) -> Result<Arc<dyn Transport>> {
        let url = address.url().unwrap();
        self.note(format!("connect to broker {}", url.host()));
        if self.with(|state| state.down.iter().any(|host| host == url.host())) {
            return Err(Self::refused("connect to the broker"));
        }
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl StoreFactory for World {
    fn schemes(&self) -> &'static [&'static str] {
        &["fake", "cache+fake"]
    }

    async fn connect(&self, address: Arc<dyn Address>) -> Result<Arc<dyn ResultStore>> {
        self.note("connect to backend");
        self.heard().await;
        if address.url().unwrap().host() == "down" {
            return Err(Self::refused("connect to the result backend"));
        }
        Ok(Arc::new(Store { world: self.clone(), reply_to: None }))
    }
}

#[async_trait]
impl Transport for World {
    fn safe_url(&self) -> String {
        "fake://h/".to_owned()
    }

    fn impediment(&self) -> Option<String> {
        self.with(|state| state.blocked.clone())
    }

    async fn publish(&self, queue: &QueueDeclaration, message: &Message) -> Result<()> {
        self.heard().await;
        self.note(format!("publish to {}", queue.name));
        if self.with(|state| state.refuse_publish) {
            return Err(Self::refused("publish"));
        }
        self.with(|state| state.published.push(message.clone()));
        Ok(())
    }

    async fn broadcast(&self, exchange: &str, message: &Message) -> Result<()> {
        self.heard().await;
        self.note(format!("broadcast to {exchange}"));
        if self.impediment().is_some() {
            std::future::pending::<()>().await;
        }
        if self.with(|state| state.refuse_publish) {
            return Err(Self::refused("broadcast"));
        }
        let command: Value = serde_json::from_slice(&message.body).unwrap();
        self.with(|state| {
            state.broadcasts.push(message.clone());
            let key = command["reply_to"]["routing_key"].as_str().unwrap();
            for (ticket, reply) in &state.replies {
                let mut answer = message.clone();
                answer.headers =
                    json!({"ticket": ticket.as_deref().or(command["ticket"].as_str()), "clock": 1})
                        .as_object()
                        .cloned()
                        .unwrap();
                answer.body = reply.clone().into_bytes();
                state.inboxes[key].send(answer).unwrap();
            }
        });
        Ok(())
    }

    async fn open_inbox(&self, exchange: &str, routing_key: &str) -> Result<Box<dyn Inbox>> {
        self.heard().await;
        self.note(format!("open inbox at {exchange}"));
        let (sender, replies) = mpsc::unbounded_channel();
        self.with(|state| drop(state.inboxes.insert(routing_key.to_owned(), sender)));
        Ok(Box::new(Replies { world: self.clone(), replies }))
    }

    async fn rpc_store(&self) -> Result<Arc<dyn ResultStore>> {
        self.heard().await;
        self.note("rpc store");
        Ok(Arc::new(Store { world: self.clone(), reply_to: Some("my-queue".to_owned()) }))
    }

    async fn close(&self) {
        self.note("close broker");
        self.heard().await;
    }
}

#[derive(Debug)]
struct Replies {
    world: World,
    replies: mpsc::UnboundedReceiver<Message>,
}

#[async_trait]
impl Inbox for Replies {
    async fn next(&mut self) -> Result<Message> {
        Ok(self.replies.recv().await.unwrap())
    }

    async fn close(self: Box<Self>) {
        self.world.heard().await;
        self.world.note("close inbox");
    }
}

#[derive(Debug)]
struct Store {
    world: World,
    reply_to: Option<String>,
}

#[async_trait]
impl ResultStore for Store {
    fn safe_url(&self) -> String {
        "fake://h/".to_owned()
    }

    fn reply_to(&self) -> Option<&str> {
        self.reply_to.as_deref()
    }

    async fn watch(&self, task_id: &str) -> Result<()> {
        self.world.heard().await;
        self.world.note(format!("watch {task_id}"));
        Ok(())
    }

    async fn get(&self, task_id: &str) -> Result<Option<ResultMeta>> {
        self.world.heard().await;
        let meta = self.world.with(|state| state.results.get("*").cloned());
        Ok(meta.map(|mut meta| {
            meta["task_id"] = json!(task_id);
            ResultMeta::decode(meta.to_string().as_bytes()).unwrap()
        }))
    }

    async fn wait(&self, task_id: &str) -> Result<ResultMeta> {
        match self.get(task_id).await? {
            Some(meta) if meta.status.is_ready() => Ok(meta),
            _ => std::future::pending().await,
        }
    }

    fn unwatch(&self, task_id: &str) {
        self.world.note(format!("unwatch {task_id}"));
    }

    async fn forget(&self, task_id: &str) -> Result<()> {
        self.world.heard().await;
        self.world.note(format!("forget {task_id}"));
        Ok(())
    }

    async fn close(&self) {
        self.world.note("close backend");
        self.world.heard().await;
    }
}
