//! What handlers of signals see.

use serde_json::{Map, Value};

use crate::{Properties, TaskBody};

/// A task that is about to be published. What a handler changes is what is sent.
///
/// Celery's arguments of the same names. Its `retry_policy` is not among them: transports here have one way of trying again. Nor is what
/// the headers `argsrepr` and `kwargsrepr` show changed with the arguments, as in Celery.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BeforeTaskPublish {
    pub(crate) route: Route,
    /// The headers: those of the protocol and the user's own. Names and values of the protocol are checked after the last handler; the id
    /// cannot be changed.
    pub headers: Map<String, Value>,
    /// The properties of the message. With another `reply_to` an `rpc://` result goes there.
    pub properties: Properties,
    /// The body, not yet serialised.
    pub body: TaskBody,
}

/// A task that the broker has.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AfterTaskPublish {
    pub(crate) route: Route,
    /// The headers.
    pub headers: Map<String, Value>,
    /// The body, as before it was serialised.
    pub body: TaskBody,
}

/// What a call has decided and no handler can change.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) task: String,
    pub(crate) id: String,
    pub(crate) queue: String,
}

macro_rules! route {
    ($name:ident) => {
        impl $name {
            /// The name of the task.
            pub fn sender(&self) -> &str {
                &self.route.task
            }

            /// The task's id.
            pub fn task_id(&self) -> &str {
                &self.route.id
            }

            /// The exchange: the empty name of the default one, through which every task goes.
            pub fn exchange(&self) -> &str {
                ""
            }

            /// The routing key: the name of the queue.
            pub fn routing_key(&self) -> &str {
                &self.route.queue
            }
        }
    };
}

route!(BeforeTaskPublish);
route!(AfterTaskPublish);

impl BeforeTaskPublish {
    /// The queues that are declared first, where they are not there.
    pub fn declare(&self) -> &[String] {
        std::slice::from_ref(&self.route.queue)
    }
}
