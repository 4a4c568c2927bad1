"""Figures of pb beside its peers, in one run; read by people, never a pass or a fail."""
