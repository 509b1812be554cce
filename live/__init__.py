"""Live sessions with Deribit; imported as ``gammacore.live``."""
