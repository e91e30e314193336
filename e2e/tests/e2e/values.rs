//! Values that Python's JSON knows and the standard does not, from a worker over every result backend.

use serde::Deserialize;
use serde_json::Value;
use testcelery::{
    client::{Error, PythonJson},
    prelude::*,
};

const TASKS: &str = r#"
from celery import shared_task


@shared_task(name="floats")
def floats():
    return [float("nan"), float("inf"), float("-inf"), 2.5331983431485986e96]


@shared_task(name="integers")
def integers():
    return [2**64 + 1, -(2**63) - 1, 2**200]


@shared_task(name="names")
def names():
    return {"good": "café", "bad": "caf\udce9"}


@shared_task(name="nested")
def nested(depth):
    value = []
    for _ in range(depth - 1):
        value = [value]
    return value


@shared_task(name="raises")
def raises():
    raise ValueError("caf\udce9", float("nan"), 2**64 + 1)
"#;

fn tasks(builder: SetupBuilder) -> SetupBuilder {
    builder.worker(Worker::default().concurrency(1).tasks(PyModule::source("values_module", TASKS)))
}

#[derive(Debug, Deserialize)]
struct Names {
    good: String,
    bad: PythonJson,
}

#[testcelery::test(backends(redis, memcached, rpc), with = tasks)]
async fn what_only_python_writes_is_read_exactly(setup: Setup) -> Result<()> {
    let app = setup.app();
    let floats = app.task("floats").send().await?;
    let [nan, infinite, minus, exact] = floats.get::<[f64; 4]>().await?;
    assert!(nan.is_nan() && infinite == f64::INFINITY && minus == f64::NEG_INFINITY);
    assert_eq!(exact, 2.5331983431485986e96);
    let error = floats.get::<Value>().await.expect_err("it would be null");
    assert!(matches!(error, Error::WrongType { .. }), "{error}");

    let integers = app.task("integers").send().await?.get::<(u128, i128, PythonJson)>().await?;
    assert_eq!((integers.0, integers.1), ((1 << 64) + 1, i128::from(i64::MIN) - 1));
    assert_eq!(integers.2.text(), "1606938044258990275541962092341162602522202993782792835301376");

    let names = app.task("names").send().await?;
    assert!(matches!(names.get::<Value>().await, Err(Error::WrongType { .. })));
    let Names { good, bad } = names.get().await?;
    assert_eq!((good.as_str(), bad.readable().as_deref()), ("café", Some("caf\\udce9")));

    let mut nested: Value = app.task("nested").args((500,)).send().await?.get().await?;
    let mut depth = 0;
    while let Some(items) = nested.as_array_mut() {
        depth += 1;
        nested = items.pop().unwrap_or_default();
    }
    assert_eq!(depth, 500);

    let error = app.task("raises").send().await?.get::<()>().await.expect_err("it raises");
    let raised = error.as_task_error().expect("an exception of the task");
    assert_eq!((raised.exc_type.as_str(), &raised.state), ("ValueError", &State::Failure));
    assert_eq!(raised.message(), "caf\\udce9, NaN, 18446744073709551617");
    assert!(raised.traceback.as_deref().is_some_and(|traceback| traceback.contains("raises")), "{raised:?}");
    Ok(())
}
