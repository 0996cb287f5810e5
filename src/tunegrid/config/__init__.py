"""The ground: settings, errors, names of functions, canonical form; and their composition."""
