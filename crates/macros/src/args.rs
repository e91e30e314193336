//! The arguments of the attribute.

use proc_macro2::Span;
use syn::{
    Expr, Ident, Path, Token, parenthesized,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
};

/// What stands between the parentheses of `#[testcelery::test(..)]`.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) brokers: Option<Axis>,
    pub(crate) backends: Option<Axis>,
    pub(crate) with: Option<Path>,
    pub(crate) setup: Option<Path>,
    pub(crate) needs: Option<Vec<Ident>>,
}

/// One side of the matrix, as it was written.
pub(crate) struct Axis {
    pub(crate) span: Span,
    pub(crate) entries: Vec<Entry>,
}

/// A component by its name, or a name with an expression that makes one.
pub(crate) struct Entry {
    pub(crate) name: Ident,
    pub(crate) component: Option<Expr>,
}

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut args = Self::default();
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            match key.to_string().as_str() {
                "brokers" => set(&mut args.brokers, &key, parse_axis(&key, input)?)?,
                "backends" => set(&mut args.backends, &key, parse_axis(&key, input)?)?,
                "with" => set(&mut args.with, &key, parse_path(input)?)?,
                "setup" => set(&mut args.setup, &key, parse_path(input)?)?,
                "needs" => set(&mut args.needs, &key, parse_needs(input)?)?,
                other => {
                    let message = format!(
                        "unknown argument `{other}`; known are `brokers(..)`, `backends(..)`, `with = ..`, `setup = ..` and `needs(..)`"
                    );
                    return Err(syn::Error::new(key.span(), message));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        if let Some(setup) = &args.setup
            && (args.brokers.is_some() || args.backends.is_some() || args.with.is_some())
        {
            let message =
                "`setup = ..` names the whole stack: it goes without `brokers`, `backends` and `with`";
            return Err(syn::Error::new_spanned(setup, message));
        }
        Ok(args)
    }
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.parse()?;
        let component = if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            Some(input.parse()?)
        } else {
            None
        };
        Ok(Self { name, component })
    }
}

fn set<T>(slot: &mut Option<T>, key: &Ident, value: T) -> syn::Result<()> {
    if slot.replace(value).is_some() {
        return Err(syn::Error::new(key.span(), format!("`{key}` is given twice")));
    }
    Ok(())
}

fn parse_axis(key: &Ident, input: ParseStream<'_>) -> syn::Result<Axis> {
    let content;
    parenthesized!(content in input);
    let entries = Punctuated::<Entry, Token![,]>::parse_terminated(&content)?;
    Ok(Axis { span: key.span(), entries: entries.into_iter().collect() })
}

fn parse_needs(input: ParseStream<'_>) -> syn::Result<Vec<Ident>> {
    let content;
    parenthesized!(content in input);
    let needs = Punctuated::<Ident, Token![,]>::parse_terminated(&content)?;
    Ok(needs.into_iter().collect())
}

fn parse_path(input: ParseStream<'_>) -> syn::Result<Path> {
    input.parse::<Token![=]>()?;
    input.parse()
}
