"""The whole product on one machine without a key: simulator, proxy, and traffic through it."""
