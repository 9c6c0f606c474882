// SPDX-License-Identifier: GPL-2.0-only
//! The proc macros of `linux-driver`. A macro of the safe layer with the same purpose calls each
//! one and documents it. The caller passes its own path (`$crate`), so that a driver needs no other
//! dependency.

mod derive;
mod format;
mod init;
mod module;
mod print;
mod register;
mod vtable;

use proc_macro::TokenStream;

/// Implements `module!` of the safe layer.
#[doc(hidden)]
#[proc_macro]
pub fn module(input: TokenStream) -> TokenStream {
    let module = syn::parse_macro_input!(input as module::Module);
    module.expand("__module").into()
}

/// Implements `module_pci_driver!` of the safe layer.
#[doc(hidden)]
#[proc_macro]
pub fn module_pci_driver(input: TokenStream) -> TokenStream {
    let module = syn::parse_macro_input!(input as module::Module);
    module.expand("__module_pci_driver").into()
}

/// Implements `module_platform_driver!` of the safe layer.
#[doc(hidden)]
#[proc_macro]
pub fn module_platform_driver(input: TokenStream) -> TokenStream {
    let module = syn::parse_macro_input!(input as module::Module);
    module.expand("__module_platform_driver").into()
}

/// Implements `init!`, `pin_init!`, `try_init!` and `try_pin_init!` of the safe layer.
#[doc(hidden)]
#[proc_macro]
pub fn __initializer(input: TokenStream) -> TokenStream {
    let initializer = syn::parse_macro_input!(input as init::Initializer);
    initializer.expand().into()
}

/// Implements `#[pin_data]` of the safe layer.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn pin_data(arguments: TokenStream, item: TokenStream) -> TokenStream {
    init::pin_data(arguments.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Implements `#[pinned_drop]` of the safe layer.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn pinned_drop(arguments: TokenStream, item: TokenStream) -> TokenStream {
    init::pinned_drop(arguments.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Implements `#[derive(Zeroable)]` of the safe layer.
#[doc(hidden)]
#[proc_macro_derive(Zeroable)]
pub fn zeroable(item: TokenStream) -> TokenStream {
    derive::expand("__derive_zeroable", item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Implements `#[derive(FromBytes)]` of the safe layer.
#[doc(hidden)]
#[proc_macro_derive(FromBytes)]
pub fn from_bytes(item: TokenStream) -> TokenStream {
    derive::expand("__derive_from_bytes", item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Implements `#[derive(IntoBytes)]` of the safe layer.
#[doc(hidden)]
#[proc_macro_derive(IntoBytes)]
pub fn into_bytes(item: TokenStream) -> TokenStream {
    derive::expand("__derive_into_bytes", item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Implements `pr_info!`, `dev_info!` and the other log macros of the safe layer.
#[doc(hidden)]
#[proc_macro]
pub fn __printk(input: TokenStream) -> TokenStream {
    print::expand(input.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Implements `register!` of the safe layer.
#[doc(hidden)]
#[proc_macro]
pub fn register(input: TokenStream) -> TokenStream {
    let registers = syn::parse_macro_input!(input as register::Registers);
    registers.expand().into()
}

/// Implements `#[vtable]` of the safe layer.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn vtable(attribute: TokenStream, item: TokenStream) -> TokenStream {
    vtable::expand(attribute.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
