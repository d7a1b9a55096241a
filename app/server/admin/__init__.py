"""What administrators see of a server and do with it; never what is said in it."""
