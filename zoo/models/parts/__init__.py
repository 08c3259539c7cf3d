"""What families are put together from: encoders and decoders, likelihoods, priors."""
