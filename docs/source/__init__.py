"""What the documents are made of where it can be made: tables from code and templates, and diagrams."""
