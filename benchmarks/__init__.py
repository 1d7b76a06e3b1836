"""Side-by-side measurements of the project; nothing in it is imported by what is measured."""
