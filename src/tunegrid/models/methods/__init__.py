"""Methods: ways to make a base trainable; each module has an `attach(model, ...)`."""
