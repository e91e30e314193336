//! The tests that one attribute becomes.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Attribute, Ident, ItemFn, Path};

use crate::{
    args::Args,
    matrix::{self, Row},
    needs,
};

/// Expands the attribute.
pub(crate) fn expand(args: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let args: Args = syn::parse2(args)?;
    let mut function: ItemFn = syn::parse2(item)?;
    check(&function)?;
    // `#[ignore]` and the like belong to the tests, documentation and lints to the function, `#[cfg(..)]` to both.
    let all = std::mem::take(&mut function.attrs);
    function.attrs =
        all.iter().filter(|it| is_one_of(it, OF_FUNCTION) || is_one_of(it, OF_BOTH)).cloned().collect();
    let moved: Vec<Attribute> = all.into_iter().filter(|it| !is_one_of(it, OF_FUNCTION)).collect();
    let needs = needs::expand(args.needs.as_deref().unwrap_or_default())?;
    match &args.setup {
        Some(setup) => Ok(single(&function, &moved, setup, &needs)),
        None => {
            let rows = matrix::rows(&args)?;
            Ok(module(&function, &moved, &rows, args.with.as_ref(), &needs))
        }
    }
}

fn check(function: &ItemFn) -> syn::Result<()> {
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        return Err(syn::Error::new_spanned(signature.fn_token, "a testcelery test is an `async fn`"));
    }
    if signature.inputs.len() != 1 {
        return Err(syn::Error::new_spanned(
            &signature.ident,
            "a testcelery test takes one argument: `setup: Setup`",
        ));
    }
    if !signature.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(&signature.generics, "a testcelery test has no type parameters"));
    }
    Ok(())
}

/// Attributes that stay with the function alone.
const OF_FUNCTION: &[&str] = &["doc", "allow", "expect", "warn", "deny", "forbid"];

/// Attributes that everything has which comes of the function.
const OF_BOTH: &[&str] = &["cfg"];

fn is_one_of(attribute: &Attribute, names: &[&str]) -> bool {
    names.iter().any(|name| attribute.path().is_ident(name))
}

fn single(function: &ItemFn, attributes: &[Attribute], setup: &Path, needs: &TokenStream) -> TokenStream {
    let name = &function.sig.ident;
    let title = name.to_string();
    quote! {
        #(#attributes)*
        #[::core::prelude::v1::test]
        fn #name() -> ::core::result::Result<(), ::testcelery::runner::Failure> {
            #function
            ::testcelery::runner::run(::core::concat!(::core::module_path!(), "::", #title), #setup, #needs, #name)
        }
    }
}

fn module(
    function: &ItemFn,
    attributes: &[Attribute],
    rows: &[Row],
    with: Option<&Path>,
    needs: &TokenStream,
) -> TokenStream {
    let name = &function.sig.ident;
    let all = all_names(rows);
    let tests = rows.iter().map(|row| row_test(name, attributes, row, needs, &all));
    let conditions: Vec<&Attribute> = attributes.iter().filter(|it| is_one_of(it, OF_BOTH)).collect();
    let builders = rows.iter().map(|row| {
        let builder = row_builder(name, row, with);
        quote!(#(#conditions)* #builder)
    });
    quote! {
        #function

        #(#builders)*

        #(#conditions)*
        #[cfg(test)]
        mod #name {
            #(#tests)*
        }
    }
}

/// The builder stands beside the function, so that what the user wrote is resolved where it was written.
fn row_builder(test: &Ident, row: &Row, with: Option<&Path>) -> TokenStream {
    let name = builder_name(test, row);
    let Row { broker, backend, .. } = row;
    let builder = quote!(::testcelery::Setup::builder().broker(#broker)#backend);
    let builder = match with {
        Some(with) => quote!(#with(#builder)),
        None => builder,
    };
    quote! {
        #[cfg(test)]
        #[doc(hidden)]
        fn #name() -> ::testcelery::SetupBuilder {
            #builder
        }
    }
}

/// The names on both axes, as fields of the runner's row.
fn all_names(rows: &[Row]) -> TokenStream {
    let mut brokers: Vec<&str> = rows.iter().map(|row| row.names.0.as_str()).collect();
    let mut backends: Vec<&str> = rows.iter().map(|row| row.names.1.as_str()).collect();
    brokers.sort_unstable();
    brokers.dedup();
    backends.sort_unstable();
    backends.dedup();
    quote!(brokers: &[#(#brokers),*], backends: &[#(#backends),*])
}

fn row_test(
    test: &Ident,
    attributes: &[Attribute],
    row: &Row,
    needs: &TokenStream,
    all: &TokenStream,
) -> TokenStream {
    let name = &row.name;
    let title = name.to_string();
    let builder = builder_name(test, row);
    let (broker, backend) = &row.names;
    quote! {
        #(#attributes)*
        #[::core::prelude::v1::test]
        fn #name() -> ::core::result::Result<(), ::testcelery::runner::Failure> {
            ::testcelery::runner::run_row(
                ::core::concat!(::core::module_path!(), "::", #title),
                ::core::option::Option::Some(&::testcelery::runner::Row { broker: #broker, backend: #backend, #all }),
                super::#builder,
                #needs,
                super::#test,
            )
        }
    }
}

fn builder_name(test: &Ident, row: &Row) -> Ident {
    format_ident!("__{}_{}", test, row.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "async fn hello(setup: Setup) -> Result<()> { Ok(()) }";

    fn expanded_from(args: &str, item: &str) -> Result<String, String> {
        let tokens =
            expand(args.parse().unwrap(), item.parse().unwrap()).map_err(|error| error.to_string())?;
        syn::parse2::<syn::File>(tokens.clone()).expect("the expansion parses");
        Ok(tokens.to_string())
    }

    fn expanded(args: &str) -> Result<String, String> {
        expanded_from(args, BODY)
    }

    fn test_names(code: &str) -> Vec<&str> {
        let names = code.split("test] fn ").skip(1);
        names.map(|rest| rest.split_whitespace().next().unwrap()).collect()
    }

    #[test]
    fn default_rows() {
        assert_eq!(test_names(&expanded("").unwrap()), ["rabbitmq_redis", "redis_redis"]);
    }

    #[test]
    fn rpc_only_where_the_broker_can() {
        let code = expanded("backends(redis, memcached, rpc)").unwrap();
        assert_eq!(
            test_names(&code),
            ["rabbitmq_redis", "rabbitmq_memcached", "rabbitmq_rpc", "redis_redis", "redis_memcached"]
        );
        assert!(expanded("brokers(redis), backends(rpc)").unwrap_err().contains("rpc"));
    }

    #[test]
    fn own_components_are_rows() {
        let code = expanded("brokers(valkey = Valkey::new(8)), with = two_workers").unwrap();
        assert_eq!(test_names(&code), ["valkey_redis"]);
        assert!(
            code.contains("two_workers (:: testcelery :: Setup :: builder () . broker (Valkey :: new (8))"),
            "{code}"
        );
    }

    #[test]
    fn a_named_setup_is_one_test() {
        let code = expanded("setup = stack").unwrap();
        assert_eq!(test_names(&code), ["hello"]);
    }

    #[test]
    fn the_runner_gets_the_names_of_the_row_and_of_all_rows() {
        let code = expanded("brokers(rabbitmq, r#type = Mine), backends(redis, rpc)").unwrap();
        assert_eq!(test_names(&code), ["rabbitmq_redis", "rabbitmq_rpc", "type_redis", "type_rpc"]);
        let row = r#"Row { broker : "type" , backend : "rpc" , brokers : & ["rabbitmq" , "type"] , backends : & ["redis" , "rpc"] }"#;
        assert_eq!(code.matches(row).count(), 1, "{code}");
    }

    #[test]
    fn keywords_may_be_names_of_tests() {
        let item = BODY.replace("hello", "r#break");
        let code = expanded_from("", &item).unwrap();
        assert!(code.contains("mod r#break") && code.contains("super :: __break_redis_redis"), "{code}");
    }

    #[test]
    fn an_empty_axis_is_an_error() {
        assert!(expanded("brokers()").unwrap_err().starts_with("`brokers` is empty"));
        assert!(expanded("backends()").unwrap_err().starts_with("`backends` is empty"));
    }

    #[test]
    fn mistakes_are_explained() {
        assert!(expanded("brokers(kafka)").unwrap_err().contains("known are rabbitmq, redis"));
        assert!(expanded("brokers(redis, redis)").unwrap_err().contains("twice"));
        assert!(expanded("broker(redis)").unwrap_err().contains("unknown argument `broker`"));
        assert!(expanded("setup = a, with = b").unwrap_err().contains("whole stack"));
        let sync = expanded_from("", "fn hello(setup: Setup) {}");
        assert!(sync.unwrap_err().contains("async fn"));
        let bare = expanded_from("", "async fn hello() {}");
        assert!(bare.unwrap_err().contains("setup: Setup"));
    }

    #[test]
    fn lints_stay_with_the_function_and_conditions_go_everywhere() {
        let item = format!("#[expect(unused)] #[cfg(unix)] {BODY}");
        let code = expanded_from("", &item).unwrap();
        assert!(code.starts_with("# [expect (unused)] # [cfg (unix)] async fn hello"), "{code}");
        assert_eq!(code.matches("expect (unused)").count(), 1);
        // The function, two builders, the module and its two tests.
        assert_eq!(code.matches("cfg (unix)").count(), 6);
    }

    #[test]
    fn attributes_go_to_every_row() {
        let code = expanded_from("", &format!("#[ignore = \"slow\"] {BODY}")).unwrap();
        assert_eq!(code.matches("slow").count(), 2);
    }
}
