// SPDX-License-Identifier: GPL-2.0-only
//! The proc macros of `linux-driver`. Each is called by a macro of the safe layer of the same purpose, which documents it
//! and hands over its own path (`$crate`), so that a driver needs no other dependency.

mod format;
mod module;
mod print;
mod register;
mod vtable;

use proc_macro::TokenStream;

/// `module!` of the safe layer.
#[doc(hidden)]
#[proc_macro]
pub fn module(input: TokenStream) -> TokenStream {
    let module = syn::parse_macro_input!(input as module::Module);
    module.expand("__module").into()
}

/// `module_pci_driver!` of the safe layer.
#[doc(hidden)]
#[proc_macro]
pub fn module_pci_driver(input: TokenStream) -> TokenStream {
    let module = syn::parse_macro_input!(input as module::Module);
    module.expand("__module_pci_driver").into()
}

/// `module_platform_driver!` of the safe layer.
#[doc(hidden)]
#[proc_macro]
pub fn module_platform_driver(input: TokenStream) -> TokenStream {
    let module = syn::parse_macro_input!(input as module::Module);
    module.expand("__module_platform_driver").into()
}

/// `pr_info!`, `dev_info!` and the others of the safe layer.
#[doc(hidden)]
#[proc_macro]
pub fn __printk(input: TokenStream) -> TokenStream {
    print::expand(input.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// `register!` of the safe layer.
#[doc(hidden)]
#[proc_macro]
pub fn register(input: TokenStream) -> TokenStream {
    let registers = syn::parse_macro_input!(input as register::Registers);
    registers.expand().into()
}

/// `#[vtable]` of the safe layer.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn vtable(attribute: TokenStream, item: TokenStream) -> TokenStream {
    vtable::expand(attribute.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
