"""The machine under the sandbox: packages, ports and processes."""
