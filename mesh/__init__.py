"""What every service needs and none owns: servers, clients, stores, events, identity of things, time."""
