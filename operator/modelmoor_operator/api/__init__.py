"""What may be written: the types of the custom resource, the words that travel, and the schema made from them."""
