"""Choose the endpoint of a request: load balancing, limits, circuit breakers, admission."""
