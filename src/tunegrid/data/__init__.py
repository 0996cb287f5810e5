"""Files to examples, examples to a mixture, a mixture to texts and ids."""
