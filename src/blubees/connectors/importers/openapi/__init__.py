"""The importer of OpenAPI 3.1 and 3.0 and Swagger 2.0. Its entry: reader.py."""
