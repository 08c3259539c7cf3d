"""Building blocks of families: encoders and decoders, likelihood heads, priors."""
