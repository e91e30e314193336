//! From the arguments to the rows of the matrix.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Ident, ext::IdentExt as _};

use crate::args::{Args, Axis, Entry};

/// One row: a test of its own.
pub(crate) struct Row {
    /// `rabbitmq_redis`.
    pub(crate) name: Ident,
    /// The broker component.
    pub(crate) broker: TokenStream,
    /// What adds the result backend to the builder.
    pub(crate) backend: TokenStream,
    /// The names of both, for the runner.
    pub(crate) names: (String, String),
}

struct Choice {
    name: Ident,
    tokens: TokenStream,
}

/// All rows, in the order of the axes: brokers first.
pub(crate) fn rows(args: &Args) -> syn::Result<Vec<Row>> {
    let brokers =
        axis("brokers", args.brokers.as_ref(), &["rabbitmq", "redis"], &["rabbitmq", "redis"], broker)?;
    let backends =
        axis("backends", args.backends.as_ref(), &["redis"], &["redis", "memcached", "rpc"], backend)?;
    let mut rows = Vec::new();
    for broker in &brokers {
        for backend in &backends {
            // Results through the broker need AMQP; Kombu's Redis transport has no reply queues for them.
            if backend.name == "rpc" && broker.name == "redis" {
                continue;
            }
            rows.push(Row {
                // Not `Ident::new`: a name may be a keyword, which makes no keyword of the two.
                name: format_ident!("{}_{}", broker.name, backend.name),
                broker: broker.tokens.clone(),
                backend: backend.tokens.clone(),
                names: (broker.name.unraw().to_string(), backend.name.unraw().to_string()),
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
    entries.iter().map(|entry| Ok(Choice { name: entry.name.clone(), tokens: component(entry)? })).collect()
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
