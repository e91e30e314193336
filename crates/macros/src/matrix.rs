//! From the arguments and the environment to the rows of the matrix.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Ident;

use crate::{
    args::{Args, Axis, Entry},
    narrow::{self, Narrowing},
};

/// One row: a test of its own.
pub(crate) struct Row {
    /// `rabbitmq_redis`.
    pub(crate) name: Ident,
    /// The broker component.
    pub(crate) broker: TokenStream,
    /// What adds the result backend to the builder.
    pub(crate) backend: TokenStream,
    /// Why the row is left out of this build, where it is.
    pub(crate) left_out: Option<String>,
}

struct Choice {
    name: Ident,
    tokens: TokenStream,
    left_out: Option<String>,
}

/// All rows, in the order of the axes: brokers first.
pub(crate) fn rows(args: &Args, narrowing: &Narrowing) -> syn::Result<Vec<Row>> {
    let brokers = axis(
        "brokers",
        args.brokers.as_ref(),
        &["rabbitmq", "redis"],
        &["rabbitmq", "redis"],
        (narrow::BROKERS, narrowing.brokers.as_deref()),
        broker,
    )?;
    let backends = axis(
        "backends",
        args.backends.as_ref(),
        &["redis"],
        &["redis", "memcached", "rpc"],
        (narrow::BACKENDS, narrowing.backends.as_deref()),
        backend,
    )?;
    let mut rows = Vec::new();
    for broker in &brokers {
        for backend in &backends {
            // Results through the broker need AMQP; Kombu's Redis transport has no reply queues for them.
            if backend.name == "rpc" && broker.name == "redis" {
                continue;
            }
            rows.push(Row {
                name: Ident::new(&format!("{}_{}", broker.name, backend.name), broker.name.span()),
                broker: broker.tokens.clone(),
                backend: backend.tokens.clone(),
                left_out: broker.left_out.clone().or_else(|| backend.left_out.clone()),
            });
        }
    }
    if rows.is_empty() {
        let span = args.backends.as_ref().map_or_else(Span::call_site, |axis| axis.span);
        return Err(syn::Error::new(
            span,
            "no broker of this test can carry results by rpc: add `rabbitmq` or another backend",
        ));
    }
    Ok(rows)
}

fn axis(
    key: &str,
    written: Option<&Axis>,
    default: &[&str],
    known: &[&str],
    (variable, wanted): (&str, Option<&[String]>),
    component: fn(&Entry) -> syn::Result<TokenStream>,
) -> syn::Result<Vec<Choice>> {
    let span = written.map_or_else(Span::call_site, |axis| axis.span);
    let defaults: Vec<Entry>;
    let entries = match written {
        Some(axis) => &axis.entries,
        None => {
            defaults =
                default.iter().map(|name| Entry { name: Ident::new(name, span), component: None }).collect();
            &defaults
        }
    };
    if entries.is_empty() {
        return Err(syn::Error::new(
            span,
            format!("`{key}` is empty: this test would never run; known are {}", known.join(", ")),
        ));
    }
    for (place, entry) in entries.iter().enumerate() {
        if entries[..place].iter().any(|earlier| earlier.name == entry.name) {
            return Err(syn::Error::new(entry.name.span(), format!("`{}` is in `{key}` twice", entry.name)));
        }
    }
    let is_known =
        |name: &String| known.contains(&name.as_str()) || entries.iter().any(|entry| entry.name == name);
    if let Some(unknown) = wanted.unwrap_or_default().iter().find(|name| !is_known(name)) {
        return Err(syn::Error::new(
            span,
            format!("{variable} names `{unknown}`, which nobody knows; known are {}", known.join(", ")),
        ));
    }
    entries
        .iter()
        .map(|entry| {
            let selected = wanted.is_none_or(|names| names.iter().any(|name| entry.name == name));
            let left_out = (!selected)
                .then(|| format!("left out by {variable}={}", wanted.unwrap_or_default().join(",")));
            Ok(Choice { name: entry.name.clone(), tokens: component(entry)?, left_out })
        })
        .collect()
}

fn broker(entry: &Entry) -> syn::Result<TokenStream> {
    if let Some(component) = &entry.component {
        return Ok(quote!(#component));
    }
    match entry.name.to_string().as_str() {
        "rabbitmq" => Ok(quote!(::testcelery::RabbitMq::default())),
        "redis" => Ok(quote!(::testcelery::Redis::default())),
        other => Err(unknown(entry, other, "broker", "rabbitmq, redis")),
    }
}

fn backend(entry: &Entry) -> syn::Result<TokenStream> {
    if let Some(component) = &entry.component {
        return Ok(quote!(.backend(#component)));
    }
    match entry.name.to_string().as_str() {
        "redis" => Ok(quote!(.backend(::testcelery::Redis::default()))),
        "memcached" => Ok(quote!(.backend(::testcelery::Memcached::default()))),
        "rpc" => Ok(quote!(.rpc())),
        other => Err(unknown(entry, other, "backend", "redis, memcached, rpc")),
    }
}

fn unknown(entry: &Entry, name: &str, role: &str, known: &str) -> syn::Error {
    let message = format!(
        "no {role} is called `{name}`: known are {known}; for one of your own write `{name} = MyComponent`"
    );
    syn::Error::new(entry.name.span(), message)
}
