"""Who may call a server: keys, tokens, rights, rates and origins."""
