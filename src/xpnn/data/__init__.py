"""Data sets: one that comes with the package, made ones, and images from files.

`digits`              1,797 handwritten digits, real data
`flower`              two classes, the petals of a flower
`moons`               two half circles that reach into each other
`circles`             a circle within a circle
`blobs`               round clouds, one a class
`spirals`             the arms of a spiral, one a class
`parity`              every row of n bits, and whether the count of its ones is odd
`read_h5`             images and labels from an HDF5 file
`read_image_folder`   images from a folder that has a sub-folder for each class
`read_image`          one image
`read_idx`            an array from an IDX file, the format of MNIST
`Images`              what the first two readers return: images, labels, names of the classes

Examples are columns: X of shape (n_x, m), Y of shape (1, m). With ``rows=True`` they are rows,
as scikit-learn takes them: X of shape (m, n_x), y of shape (m,). All are NumPy arrays, labels
int64, X float64 but for `digits`, which has float32.
"""

from .bundled import digits
from .hdf5 import read_h5
from .idx import read_idx
from .images import Images, read_image, read_image_folder
from .synthetic import blobs, circles, flower, moons, parity, spirals

__all__ = [
    "digits",
    "flower",
    "moons",
    "circles",
    "blobs",
    "spirals",
    "parity",
    "read_h5",
    "read_image_folder",
    "read_image",
    "read_idx",
    "Images",
]
