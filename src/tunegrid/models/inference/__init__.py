"""What a loaded model answers: generated text and likelihoods of choices."""
