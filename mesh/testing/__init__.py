"""Contract suites for each port, a clock that tests hold, and builders."""
