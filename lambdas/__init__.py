"""The four Lambdas. They never import `serve`: they meet it in the JSON of the contract."""
