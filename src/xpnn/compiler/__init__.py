"""A function of arrays as a program: traced once, and run by an interpreter or by compiled code.

| module      | what it does                                                      |
|-------------|-------------------------------------------------------------------|
| `program`   | the intermediate representation, its text, its interpreter        |
| `trace`     | runs a function on arrays without entries, and records a program  |
| `namespace` | the functions of the Array API standard for such arrays           |
"""
