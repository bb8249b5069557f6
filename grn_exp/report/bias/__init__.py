"""Where supervised accuracy comes from: the analyses of InfoSEM section 5.1 and figure 3."""
