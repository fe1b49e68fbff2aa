"""The stream port on Kafka, by the driver confluent-kafka, which comes with the extra `cluster`."""
