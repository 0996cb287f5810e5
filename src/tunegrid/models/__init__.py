"""Tensors: loading, attaching a method, generating, likelihoods."""
