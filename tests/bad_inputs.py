"""Every input that is known to be bad, with the line that it earns. `make` makes the files that they speak of.

Order: commands, calls, files.
"""

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
from PIL import Image
from scipy import sparse

from diabolo.data.splits import TEST, split_rows

# What is typed after `diabolo`, and a part of the one line that comes back, with exit code 2; MODEL is one of digits.
COMMANDS = [
    (["fit", "digts"], "unknown data set 'digts'. Did you mean 'digits'? Known: digits, fashion-mnist, mnist."),
    (["fit", "digits:tst"], "unknown part of digits 'tst'. Did you mean 'test'?"),
    (["fit", "missing.npy"], "no file 'missing.npy'"),
    (["fit", "nothing"], "nothing: expected pictures, or files of kind .npy, .csv, "),
    (["fit", "*.nope"], "*.nope: expected pictures, or files of kind .npy, .csv, "),
    (["fit", "wide.npy", "--memory", "3"], "memory of 3 bytes is too small for batches of 64 rows of"),
    (["fit", "wide.npy", "--memory", "lots"], "memory must be a size such as 2GB or 500MB, got 'lots'"),
    (["fit", "/dev/null"], "'/dev/null' is a pipe or a device, expected a file"),
    (["fit", "notes.doc"], "unknown kind of file '.doc'"),
    (["fit", "notes.txt"], "notes.txt: expected rows under the header ('hello'), got none"),
    (["fit", "digits", "--structure", "dens"], "Did you mean 'dense'?"),
    (["fit", "digits", "--structure", "700-3"], "write '784-3'"),
    (["fit", "digits", "--latent", "0"], "latent_dim must be a whole number of at least 1, got 0"),
    (
        ["fit", "digits", "--latent", "784"],
        "choose at most 783, or pass allow_overcomplete=True (--allow-overcomplete)",
    ),
    (["fit", "digits", "--epochs", "300000"], "epochs must be at most 262,144, which a model file holds, got 300,000"),
    (["race", "digits", "--equal", "tim"], "unknown value of equal (--equal) 'tim'. Did you mean 'time'?"),
    (["fit", "digits", "--epochs", "0"], "epochs must be a whole number of at least 1, got 0"),
    (["fit", "digits", "--epochs", "many"], "--epochs"),
    (["fit", "digits", "--optimizer", "adm"], "Did you mean 'adam'?"),
    (["fit", "digits", "--test-fraction", "1"], "--test-fraction must be in [0, 1), got 1.0"),
    (["fit", "digits", "--random-state", "-1"], "--random-state must be"),
    (["fit", "digits", "--latnt", "3"], "No such option: --latnt"),
    (["fit", "digits", "-o", "nowhere/model"], "make it first"),
    (
        ["fit", "text.csv", "--strict"],
        "nothing can be learnt from 1 of its columns: 'name' (text with 30 different values in 30 rows): leave it out "
        "(--drop name), or write the command without --strict",
    ),
    (["fit", "blank.csv", "--strict"], "'f0' (numbers, but also 'x' (--missing x takes it as missing))"),
    (["fit", "allgap.csv", "--strict"], "'b' (no value in any row): leave it out (--drop b)"),
    (["fit", "wide.npy", "--strict"], "--strict can be used only with tables, got wide.npy"),
    (
        ["fit", "gone.csv"],
        "nothing can be learnt from its only column: 'name' (text with 30 different values in 30 rows)",
    ),
    (["fit", "latin.csv", "--encoding", "utf-8"], "expected text in the encoding utf-8 in line 2, got '1,é'"),
    (["fit", "latin.csv", "--encoding", "klingon"], "unknown encoding 'klingon': expected a name such as utf-8"),
    (["fit", "table.csv", "--skip", "-1"], "--skip must be a number of lines, 0 or more, got -1"),
    (["fit", "table.csv", "--skip", "99"], "of which --skip leaves out 99"),
    (["fit", "table.csv", "--comment", " "], "--comment must be the mark that begins a comment"),
    (["fit", "wide.npy", "--no-header"], "--no-header can be used only with text tables (.csv, .tsv"),
    (["fit", "table.parquet", "--skip", "1"], "--skip can be used only with text tables"),
    (["fit", "table.parquet", "--comment", "%"], "--comment can be used only with text tables"),
    (["fit", "table.parquet", "--encoding", "cp1252"], "--encoding can be used only with text tables"),
    (["fit", "rows.npy.gz"], "unknown kind of file '.gz'"),
    (["fit", "npz.npy"], "expected a .npy file, got a .npz file: rename it"),
    (["fit", "npy.npz"], "expected a .npz file, got a .npy file: rename it"),
    (["fit", "huge.npy"], "huge.npy: announces 1,000,000,000,000 rows, but ends in row 0"),
    (["fit", ""], "got an empty name"),
    (["fit", "digits", "-o", ""], "expected the name of a model file"),
    (["fit", "digits", "-o", "x" * 300], "cannot be the name of a file"),
    (["fit", "digits", "-o", "folder.1", "--force"], "folder.1.safetensors is a folder"),
    (["fit", "far.npy", "--epochs", "1"], "is too far from the rows of fit()"),
    (["fit", "ragged.csv"], "ragged.csv: row 1 has 1 cell, expected 2: correct it"),
    (["fit", "header.csv"], "header.csv: expected rows under the header ('a', 'b'), got none"),
    (["fit", "empty.csv"], "empty.csv"),
    (["fit", "nan.npy"], "got 1 that are infinite; the first in row 1, column 1"),
    (["fit", "objects.npy"], "objects.npy: expected a .npy file of numbers"),
    (["fit", "text.npy"], "expected numbers, got 'x' in row 0, column 0"),
    (["fit", "empty.npy"], "empty.npy: expected rows, got none"),
    (["fit", "fake.npy"], "fake.npy: expected a .npy file of numbers"),
    (["fit", "fake.npz"], "fake.npz: expected a .npz file of numbers"),
    (["fit", "two.npz"], "expected one array, got several (first, second): name one of them, two.npz:NAME."),
    (["fit", "two.npz:third"], "no array 'third'; it holds first, second"),
    (["encode", "missing.safetensors", "digits"], "no model file 'missing.safetensors'"),
    (["encode", "nan.npy", "digits"], "is not a valid Diabolo model"),
    (["encode", "MODEL", "wide.npy"], "expected images of 28 x 28 (784 numbers), got 3 features"),
    (["encode", "MODEL", "small.npy"], "expected images of 28 x 28 (784 numbers), got images of 28 x 27"),
    (["encode", "MODEL", "digits", "-o", "nan.npy"], "nan.npy exists"),
    (["encode", "MODEL", "digits", "-o", "z.doc"], "unknown kind of output '.doc'"),
    (["encode", "MODEL", "digits", "-o", "folder"], "has no ending: choose a name that ends in one of .npy"),
    (["reconstruct", "MODEL", "digts"], "Did you mean 'digits'?"),
    (["decode", "MODEL", "wide.npy"], "expected latents of shape (n, 8) with n >= 1, got (5, 3)"),
    (["decode", "MODEL", "nan.npy"], "expected latents of shape (n, 8)"),
    (["info", "text.csv"], "is not a valid Diabolo model"),
    (["info"], "Missing argument 'MODEL'"),
    (["fti", "digits"], "fti"),
    (["fit", "digits", "--resume"], "resume=True (--resume) needs the folder of the run: give run (--run) as well"),
    (["fit", "digits", "--run", "absent", "--resume"], "absent holds no training to go on with"),
    (["fit", "digits", "--run", "notes.txt"], "notes.txt cannot be the folder of a run"),
    (["fit", "digits", "--optimizer", "auto", "--learning-rate", "0.1"], "optimizer='auto' chooses the rate as well"),
    (["fit", "digits", "--preset", "vaee"], "unknown preset 'vaee'. Did you mean 'vae'?"),
    (["fit", "digits", "--latent", "some"], "--latent must be a whole number of at least 1, or auto, got 'some'"),
    (["fit", "digits", "--size", "big"], "--size expected WIDTHxHEIGHT, such as 64x48, got 'big'"),
    (["fit", "table.csv", "--types", "city"], "--types expected NAME=KIND, such as city=category, got 'city'"),
    (["fit", "table.csv", "--types", "town=category"], "unknown column 'town'"),
    (["fit", "table.csv", "--types", "city=colour"], "unknown kind 'colour'"),
    (["fit", "table.csv", "--drop", "town"], "unknown column 'town'. Known: age, city"),
    (["fit", "table.csv", "--separator", "ab"], "--separator must be one letter, got 'ab'"),
    (
        ["fit", "table.csv", "--query", "select 1"],
        "--query can be used only with a database (.duckdb, .db, .sqlite, .sqlite3), got table.csv",
    ),
    (["fit", "quote.csv"], "quote.csv: a quote is opened and not closed, perhaps in line 2 of 3: close it"),
    (["fit", "cut.parquet"], "cut.parquet: expected a Parquet file"),
    (
        ["fit", "photos"],
        "photos/cut.png: expected a picture (PNG, JPEG, WEBP, TIFF, BMP, GIF, PPM), got",
    ),
    (["fit", "wide.npy", "--series"], "expected series (n, time, channels), got shape (5, 3)"),
    (["search", "digits", "--budget", "soon"], "budget must be a time such as 90s, 10m or 2h, got 'soon'"),
    (["search", "digits", "--random-state", "-1"], "--random-state must be"),
    (["search", "sparse.npz"], "a search needs dense rows, got a sparse matrix: write a part of sparse.npz as a dense"),
    (["search", "digits", "--space", "absent.json"], "--space absent.json cannot be read"),
    (["search", "digits", "--space", "list.json"], "--space list.json: expected an object such as"),
    (["search", "digits", "--test-fraction", "2"], "--test-fraction must be in [0, 1), got 2.0"),
    (["race", "digits", "--optimizers", "adamm"], "unknown optimizer 'adamm'. Did you mean 'adam'?"),
    (["race", "digts"], "unknown data set 'digts'. Did you mean 'digits'?"),
    (["advise", "digits", "--structure", "dens"], "Did you mean 'dense'?"),
    (["rates", "digits", "--optimizer", "adm"], "unknown optimizer 'adm'. Did you mean 'adam'?"),
    (["rates", "digits", "-p", "nan.npy"], "--picture must end in .png, got 'nan.npy'"),
    (["sizes", "digits", "--sizes", "1,two"], "--sizes must be whole numbers with commas between, such as 2,8,32"),
    (["sizes", "wide.npy", "--sizes", "9"], "latent_dim must be below the number of features (3), got 9"),
    (["verify", "text.csv"], "is not a valid Diabolo model"),
    (["verify", "MODEL", "--expect-sha256", "00" * 32], "expected '" + "00" * 32 + "': it is another file"),
    (["verify", "MODEL", "--expect-sha256", "00"], "expect_sha256 must be the 64 hexadecimal digits of a SHA-256"),
    (["schema", "wide.npy"], "has no column names"),
    (["schema", "absent.csv"], "no file 'absent.csv': check the path"),
    (["score", "MODEL", "wide.npy"], "expected images of 28 x 28 (784 numbers), got 3 features"),
    (["score", "one.npy"], "expected at least 2 rows to compare"),
    (["windows", "table.csv", "--time", "town", "--window", "2"], "unknown column 'town'"),
    (["windows", "table.csv", "--time", "city", "--window", "2"], "column 'city' holds"),
    (["encode", "MODEL", "digits", "--keep", "id", "-o", "z.csv"], "digits: only files of tables"),
    (["decode", "MODEL", "absent.npy"], "no file 'absent.npy'"),
    # Options that mean nothing for the data.
    (
        ["fit", "wide.npy", "--drop", "a"],
        "--drop can be used only with tables, got wide.npy. It was read as an array: leave --drop out.",
    ),
    (["fit", "wide.npy", "--types", "a=count"], "--types can be used only with tables, got wide.npy"),
    (["fit", "wide.npy", "--decimal", ","], "--decimal can be used only with tables, got wide.npy"),
    (
        ["fit", "wide.npy", "--separator", ";"],
        "--separator can be used only with text tables (.csv, .tsv, .txt, .data, .dat), got wide.npy",
    ),
    (["fit", "wide.npy", "--size", "10x10"], "--size can be used only with pictures, got wide.npy"),
    (["fit", "wide.npy", "--grayscale"], "--grayscale can be used only with pictures, got wide.npy"),
    (["fit", "wide.npy", "--color"], "--color can be used only with pictures, got wide.npy"),
    (["fit", "wide.npy", "--size", "9", "--fit", "pad"], "--size can be used only with pictures, got wide.npy"),
    (
        ["fit", "photos", "--fit", "pad"],
        "--fit pad says how pictures come to one size: add --size",
    ),
    (["fit", "photos", "--size", "9", "--fit", "cut"], "unknown value of --fit 'cut'. Known: crop, pad, stretch."),
    (["fit", "photos", "--grayscale", "--color"], "--grayscale and --color exclude each other"),
    (["fit", "wide.npy", "--skip-bad"], "--skip-bad can be used only with pictures, got wide.npy"),
    (
        ["fit", "digits", "--data-dir", "."],
        "--data-dir can be used only with the data sets mnist and fashion-mnist, got digits",
    ),
    (
        ["fit", "wide.npy", "--data-dir", "nothing"],
        "--data-dir can be used only with the data sets mnist and fashion-mnist, got",
    ),
    (
        ["fit", "sparse.npz", "--drop", "a"],
        "--drop can be used only with tables, got sparse.npz. It was read as a sparse matrix",
    ),
    (
        ["fit", "sparse.npz", "--series"],
        "--series can be used only with arrays (n, time, channels), which `windows` makes of",
    ),
    (
        ["fit", "table.csv", "--series"],
        "--series can be used only with arrays (n, time, channels), which `windows` makes of",
    ),
    (
        ["fit", "table.csv", "--size", "8"],
        "--size can be used only with pictures, got table.csv. It was read as a CSV file",
    ),
    (
        ["fit", "table.csv", "--data-dir", "."],
        "--data-dir can be used only with the data sets mnist and fashion-mnist, got table",
    ),
    (
        ["fit", "table.parquet", "--decimal", ","],
        "table.parquet: no column holds numbers as texts, as --decimal , says: leave it out",
    ),
    (["fit", "table.parquet", "--drop", "town"], "unknown column 'town'. Known: age, city"),
    (
        ["fit", "columns.npz", "--separator", ";"],
        "--separator can be used only with text tables (.csv, .tsv, .txt, .data, .dat), got columns.npz. It was read",
    ),
    (["fit", "columns.npz", "--drop", "c"], "unknown column 'c'. Known: a, b"),
    (
        ["fit", "digits", "--types", "a=count"],
        "--types can be used only with tables, got digits. It was read as a data set",
    ),
    (["fit", "grey", "--drop", "a"], "--drop can be used only with tables, got grey. It was read as pictures"),
    (
        ["fit", "grey", "--data-dir", "."],
        "--data-dir can be used only with the data sets mnist and fashion-mnist, got grey",
    ),
    (["search", "wide.npy", "--drop", "a"], "--drop can be used only with tables, got wide.npy"),
    (["sizes", "wide.npy", "--types", "a=count"], "--types can be used only with tables, got wide.npy"),
    (["race", "wide.npy", "--grayscale"], "--grayscale can be used only with pictures, got wide.npy"),
    (["advise", "wide.npy", "--decimal", ","], "--decimal can be used only with tables, got wide.npy"),
    (["rates", "wide.npy", "--skip-bad"], "--skip-bad can be used only with pictures, got wide.npy"),
    (["score", "wide.npy", "--drop", "a"], "--drop can be used only with tables, got wide.npy"),
    (["schema", "table.parquet", "--thousands", "."], "no column holds numbers as texts, as --thousands . says"),
    (
        ["windows", "table.parquet", "--time", "age", "--window", "2", "--separator", ";"],
        "--separator can be used only with text tables",
    ),
    (
        ["encode", "MODEL", "small.npy", "--data-dir", "."],
        "--data-dir can be used only with the data sets mnist and fashion-mnist",
    ),
    (["reconstruct", "MODEL", "small.npy", "--size", "28"], "--size can be used only with pictures, got small.npy"),
    (
        ["reconstruct", "MODEL", "small.npy", "--size", "28", "--picture", "p.png"],
        "--size can be used only with pictures, got",
    ),
    (["score", "MODEL", "small.npy", "--grayscale"], "--grayscale can be used only with pictures, got small.npy"),
    (
        ["score", "MODEL", "table.csv", "--drop", "city"],
        "--drop can be used only in fit: the model has stored its columns and their",
    ),
    (
        ["score", "MODEL", "table.csv", "--types", "city=category"],
        "--types can be used only in fit: the model has stored its columns",
    ),
    # What else was silently wrong.
    (["fit", "digits", "-o", "m.keras"], "m.keras: a model file ends in .safetensors: write m.safetensors."),
    (["fit", "digits", "-o", "m.h5"], "m.h5: a model file ends in .safetensors: write m.safetensors."),
    (["search", "digits", "-o", "m.onnx"], "m.onnx: a model file ends in .safetensors: write m.safetensors."),
    (["score", "one.npy", "--save", "m.pkl"], "m.pkl: a model file ends in .safetensors: write m.safetensors."),
    (["decode", "MODEL", "more.csv"], "more.csv holds 9 latents, latent_0 to latent_8, and this model has 8: use the"),
    (["decode", "MODEL", "more.parquet"], "more.parquet holds 9 latents, latent_0 to latent_8, and this model has 8"),
    (["decode", "MODEL", "fewer.csv"], "column 'latent_7' is missing"),
    (["encode", "wide.npy", "model.safetensors"], "did you mean diabolo encode model.safetensors wide.npy?"),
    (["reconstruct", "wide.npy", "m.safetensors", "--picture", "p.png"], "did you mean diabolo reconstruct m.safetens"),
    (["score", "wide.npy", "model.safetensors"], "did you mean diabolo score model.safetensors wide.npy?"),
    (["decode", "wide.npy", "model.safetensors"], "did you mean diabolo decode model.safetensors wide.npy?"),
    (["search", "digits", "--space", "bad.json"], "the space: activation: unknown activation 'rellu'. Did"),
    (["search", "digits", "--space", "names.json"], "unknown name in the space 'widths'. Did you mean 'width'?"),
    (["search", "digits", "--trials", "0"], "trials must be a whole number of at least 1, got 0"),
]

# The same where every output that a command could write exists: what is wrong with the options is said first.
BEFORE_OUTPUTS = [
    (["fit", "rows.npy", "--latent", "-3"], "--latent must be a whole number of at least 1, or auto, got '-3'"),
    (["fit", "rows.npy", "--latent", "0"], "latent_dim must be a whole number of at least 1, got 0"),
    (["fit", "rows.npy", "--epochs", "0"], "epochs must be a whole number of at least 1, got 0"),
    (["fit", "rows.npy", "--batch-size", "0"], "batch_size must be a whole number of at least 1, got 0"),
    (["fit", "rows.npy", "--structure", "dens"], "Did you mean 'dense'?"),
    (["fit", "rows.npy", "--structure", "dense 0"], "expected sizes such as 'dense 64-32', got 'dense 0'"),
    (["fit", "rows.npy", "--structure", "dense 64, cnv"], "unknown kind of layer 'cnv'. Did you mean 'conv'?"),
    (["fit", "rows.npy", "--activation", "rellu"], "unknown activation 'rellu'. Did you mean 'relu'?"),
    (["fit", "rows.npy", "--bottleneck", "gausian"], "unknown bottleneck 'gausian'. Did you mean 'gaussian'?"),
    (["fit", "rows.npy", "--corruption", "masking:2"], "masking: expected a share in (0, 1)"),
    (["fit", "rows.npy", "--penalty", "l3:1"], "unknown penalty 'l3'. Did you mean 'l2'?"),
    (["fit", "rows.npy", "--reconstruction-loss", "bernouli"], "Did you mean 'bernoulli'?"),
    (["fit", "rows.npy", "--optimizer", "adm"], "Did you mean 'adam'?"),
    (["fit", "rows.npy", "--learning-rate", "0"], "learning_rate must be a number above 0"),
    (["fit", "rows.npy", "--preset", "vaee"], "unknown preset 'vaee'. Did you mean 'vae'?"),
    (["fit", "rows.npy", "--memory", "lots"], "memory must be a size such as 2GB or 500MB, got 'lots'"),
    (["fit", "rows.npy", "--test-fraction", "1"], "--test-fraction must be in [0, 1), got 1.0"),
    (["fit", "rows.npy", "--validation-fraction", "1.5"], "validation_fraction must be in [0, 1), got 1.5"),
    (["fit", "rows.npy", "--random-state", "-1"], "--random-state must be"),
    (["fit", "rows.npy", "--resume"], "resume=True (--resume) needs the folder of the run"),
    (["fit", "rows.npy", "--drop", "a"], "--drop can be used only with tables, got rows.npy"),
    (["fit", "rows.csv", "--drop", "d"], "unknown column 'd'. Known: a, b, c"),
    (["fit", "rows.csv", "--types", "d=count"], "unknown column 'd'. Known: a, b, c"),
    (["fit", "gone.npy"], "no file 'gone.npy'"),
    (["search", "rows.npy", "--budget", "soon"], "budget must be a time such as 90s, 10m or 2h, got 'soon'"),
    (["search", "rows.npy", "--epochs", "0"], "epochs must be a whole number of at least 1, got 0"),
    (["search", "rows.npy", "--space", "gone.json"], "--space gone.json cannot be read"),
    (["search", "rows.npy", "--size", "3"], "--size can be used only with pictures, got rows.npy"),
    (["sizes", "rows.npy", "--sizes", "two", "-p", "p.png"], "--sizes must be whole numbers with commas between"),
    (["sizes", "rows.npy", "--structure", "dens", "-p", "p.png"], "Did you mean 'dense'?"),
    (["rates", "rows.npy", "--optimizer", "adm", "-p", "p.png"], "Did you mean 'adam'?"),
    (["rates", "rows.npy", "--drop", "a", "-p", "p.png"], "--drop can be used only with tables, got rows.npy"),
    (["encode", "MODEL", "rows.npy", "--size", "3"], "--size can be used only with pictures, got rows.npy"),
    (["encode", "MODEL", "rows.csv", "--keep", "d"], "unknown column 'd'. Known: a, b, c"),
    (["encode", "MODEL", "gone.npy"], "no file 'gone.npy'"),
    (["encode", "gone.safetensors", "rows.npy"], "no model file 'gone.safetensors'"),
    (["decode", "MODEL", "gone.npy"], "no file 'gone.npy'"),
    (["reconstruct", "MODEL", "rows.npy", "--size", "3"], "--size can be used only with pictures, got rows.npy"),
    (
        ["reconstruct", "MODEL", "rows.npy", "--size", "3", "--picture", "p.png"],
        "--size can be used only with pictures, got rows",
    ),
    (["score", "rows.npy", "--drop", "a"], "--drop can be used only with tables, got rows.npy"),
    (["score", "rows.npy", "--save", "m.pkl"], "m.pkl: a model file ends in .safetensors"),
    (["score", "MODEL", "rows.npy", "--size", "3"], "--size can be used only with pictures, got rows.npy"),
    (["windows", "rows.csv", "--time", "d", "--window", "2"], "unknown column 'd'. Known: a, b, c"),
    (["windows", "rows.csv", "--time", "a", "--entity", "d", "--window", "2"], "unknown column 'd'. Known: a, b, c"),
    (["windows", "rows.csv", "--time", "a", "--window", "0"], "window must be a whole number of at least 1, got 0"),
    (
        ["windows", "rows.csv", "--time", "a", "--window", "2", "--max-gap", "0"],
        "--max-gap must be none, a duration such as 10min, or a number of median steps of at least 1, got '0'",
    ),
    (
        ["windows", "rows.csv", "--time", "a", "--window", "2", "--duplicates", "last"],
        "--duplicates must be first or mean, got 'last'",
    ),
    (
        ["windows", "rows.csv", "--time", "a", "--window", "2", "--resample", "often"],
        "--resample must be a duration such as 5min",
    ),
]

# What is written in Python, the error, and how its line begins. Names are those of `test_bad_inputs.py`.
CALLS = [
    ("Autoencoder(0).fit(X)", "OptionError", "latent_dim must be a whole number of at least 1, got 0."),
    ("Autoencoder(2.5).fit(X)", "OptionError", "latent_dim must be a whole number of at least 1, got 2.5."),
    ('Autoencoder("many").fit(X)', "OptionError", "latent_dim must be a whole number or 'auto', got 'many'."),
    (
        "Autoencoder(6).fit(X)",
        "OptionError",
        "latent_dim must be below the number of features (6), got 6: choose at most 5, or pass",
    ),
    (
        'Autoencoder(2, structure="dens").fit(X)',
        "OptionError",
        "unknown structure 'dens'. Did you mean 'dense'? Known: attention, attention1d, conv,",
    ),
    (
        'Autoencoder(2, structure="7-2").fit(X)',
        "OptionError",
        "structure '7-2' starts with 7, but a row has 6 features: write '6-2'.",
    ),
    (
        'Autoencoder(3, structure="6-4-2").fit(X)',
        "OptionError",
        "structure '6-4-2' ends in 2 latents, but latent_dim is 3: leave one out.",
    ),
    (
        "Autoencoder(2, structure=32).fit(X)",
        "OptionError",
        "structure must be a name, sizes such as '784-256-128', widths or layers, got 32: for",
    ),
    (
        "Autoencoder(2, structure=[0]).fit(X)",
        "OptionError",
        "structure must be a name, sizes such as '784-256-128', widths or layers, got [0].",
    ),
    (
        'Autoencoder(2, structure="conv 8").fit(X)',
        "ShapeError",
        "structure 'conv' needs images (height, width[, channels]) or series (time, channels),",
    ),
    (
        'Autoencoder(2, structure="lstm").fit(X)',
        "ShapeError",
        "structure 'lstm' needs series (time, channels) or images, got rows of 6 features: give",
    ),
    (
        "Autoencoder(2, structure=[Dense(units=0)]).fit(X)",
        "OptionError",
        "dense: expected units of at least 1, got units=0, activation='linear', use_bias=True.",
    ),
    (
        'Autoencoder(2, activation="rellu").fit(X)',
        "OptionError",
        "activation: unknown activation 'rellu'. Did you mean 'relu'? Known: elu, exponential,",
    ),
    (
        'Autoencoder(2, bottleneck="gausian").fit(X)',
        "OptionError",
        "unknown bottleneck 'gausian'. Did you mean 'gaussian'? Known: gaussian, ordered, plain,",
    ),
    (
        'Autoencoder(2, bottleneck="gaussian:bet=4").fit(X)',
        "OptionError",
        "bottleneck 'gaussian:bet=4': unknown setting 'bet'. Did you mean 'beta'? Known: beta,",
    ),
    (
        'Autoencoder(2, bottleneck="gaussian:beta=x").fit(X)',
        "OptionError",
        "bottleneck 'gaussian:beta=x': beta must be of type float, got 'x'.",
    ),
    (
        'Autoencoder(2, bottleneck="gaussian:beta=-1").fit(X)',
        "OptionError",
        "gaussian: expected beta, warmup_epochs, free_nats >= 0, got latent_dim=2, beta=-1.0,",
    ),
    (
        'Autoencoder(5, bottleneck="quantized:groups=3").fit(X)',
        "OptionError",
        "quantized: expected groups that divide latent_dim, got latent_dim=5, codes=256,",
    ),
    ("Autoencoder(2, bottleneck=3).fit(X)", "OptionError", "bottleneck must be a text such as 'plain', got 3."),
    (
        'Autoencoder(2, bottleneck="quantized", penalty="contractive:0.1").fit(X)',
        "OptionError",
        "a contractive penalty cannot be used with a quantized bottleneck, whose codes have no gradient.",
    ),
    (
        'Autoencoder(2, bottleneck_activation="rellu").fit(X)',
        "OptionError",
        "plain: unknown activation 'rellu'. Did you mean 'relu'? Known: elu, exponential, gelu,",
    ),
    (
        'Autoencoder(2, corruption="masking:2").fit(X)',
        "OptionError",
        "masking: expected a share in (0, 1), got share=2.0, what='values', hidden_only=False.",
    ),
    (
        'Autoencoder(2, corruption="nose").fit(X)',
        "OptionError",
        "unknown corruption 'nose'. Known: auto, binarize, gaussian, masking, salt_and_pepper, swap.",
    ),
    (
        'Autoencoder(2, corruption="binarize").fit(X)',
        "OptionError",
        "corruption 'binarize' draws 0 or 1, which reconstruction_loss 'gaussian' does not",
    ),
    ('Autoencoder(2, penalty="mmd:-3").fit(X)', "OptionError", "mmd: expected weight above 0, got weight=-3.0."),
    (
        'Autoencoder(2, penalty="l3:1").fit(X)',
        "OptionError",
        "unknown penalty 'l3'. Did you mean 'l2'? Known: adversarial, contractive, l2, mmd,",
    ),
    (
        'Autoencoder(2, reconstruction_loss="bernoulli").fit(X)',
        "OptionError",
        "reconstruction_loss 'bernoulli' needs values in [0, 1], got -3.77 to 3.07: choose",
    ),
    (
        'Autoencoder(2, reconstruction_loss="poisson").fit(X)',
        "OptionError",
        "reconstruction_loss 'poisson' needs counts, 0 or more, got -3.77 to 3.07: choose",
    ),
    (
        'Autoencoder(2, reconstruction_loss="ssim").fit(X)',
        "OptionError",
        "reconstruction_loss 'ssim' needs values in [0, 1], got -3.77 to 3.07: choose",
    ),
    (
        'Autoencoder(2, reconstruction_loss="bernouli").fit(X)',
        "OptionError",
        "unknown reconstruction_loss 'bernouli'. Did you mean 'bernoulli'? Known: auto,",
    ),
    (
        'Autoencoder(2, reconstruction_loss="gaussian").fit(frame)',
        "OptionError",
        "rows with missing cells or columns of several kinds get a loss for each column automatically: pass",
    ),
    (
        'Autoencoder(2, optimizer="adm").fit(X)',
        "OptionError",
        "unknown optimizer 'adm'. Did you mean 'adam'? Known: adafactor, adam, adamax, adamw,",
    ),
    (
        'Autoencoder(2, optimizer="adamw:-1").fit(X)',
        "OptionError",
        "optimizer 'adamw:-1': weight_decay must be at least 0 and below 1000, got -1.",
    ),
    (
        'Autoencoder(2, optimizer="adam:beta_1=2").fit(X)',
        "OptionError",
        "optimizer 'adam:beta_1=2': beta_1 must be at least 0 and below 1, got 2.",
    ),
    (
        'Autoencoder(2, optimizer="adam:momentum=0.9").fit(X)',
        "OptionError",
        "optimizer 'adam:momentum=0.9': unknown setting 'momentum'. Known: beta_1, beta_2,",
    ),
    (
        "Autoencoder(2, learning_rate=0).fit(X)",
        "OptionError",
        "learning_rate must be a number above 0, such as 0.001, got 0.",
    ),
    (
        'Autoencoder(2, learning_rate="fast").fit(X)',
        "OptionError",
        "learning_rate must be a number above 0, such as 0.001, got 'fast'.",
    ),
    (
        "Autoencoder(2, learning_rate=np.nan).fit(X)",
        "OptionError",
        "learning_rate must be a number above 0, such as 0.001, got nan.",
    ),
    (
        'Autoencoder(2, learning_rate_schedule="cosin").fit(X)',
        "OptionError",
        "unknown learning_rate_schedule 'cosin'. Did you mean 'cosine'? Known: constant, cosine.",
    ),
    ("Autoencoder(2, epochs=0).fit(X)", "OptionError", "epochs must be a whole number of at least 1, got 0."),
    ("Autoencoder(2, epochs=2.5).fit(X)", "OptionError", "epochs must be a whole number of at least 1, got 2.5."),
    ("Autoencoder(2, epochs=True).fit(X)", "OptionError", "epochs must be a whole number of at least 1, got True."),
    ("Autoencoder(2, batch_size=0).fit(X)", "OptionError", "batch_size must be a whole number of at least 1, got 0."),
    ("Autoencoder(2, patience=-1).fit(X)", "OptionError", "patience must be a whole number of at least 0, got -1."),
    ("Autoencoder(2, validation_fraction=1).fit(X)", "OptionError", "validation_fraction must be in [0, 1), got 1."),
    (
        'Autoencoder(2, validation_fraction="a tenth").fit(X)',
        "OptionError",
        "validation_fraction must be in [0, 1), got 'a tenth'.",
    ),
    *(
        (
            f"{call}.fit(X)",
            "OptionError",
            "verbose must be 0 or False (nothing), 1 or True (a progress bar), 2 (a line per epoch) or 'auto', got 3.",
        )
        for call in ("Autoencoder(2, verbose=3)", "AnomalyDetector(verbose=3)")
    ),
    ('Autoencoder(2, series="yes").fit(X)', "OptionError", "series must be True or False, got 'yes'."),
    (
        "Autoencoder(2, series=True).fit(X)",
        "ShapeError",
        "fit() expected series (n, time, channels), got shape (60, 6): one channel is X[:, :,",
    ),
    ('Autoencoder(2, types={"z": "category"}).fit(frame)', "OptionError", "unknown column 'z'. Known: a, b, when."),
    (
        'Autoencoder(2, types={"a": "colour"}).fit(frame)',
        "OptionError",
        "column 'a': unknown kind 'colour'. Did you mean 'count'? Known: boolean, category,",
    ),
    (
        'Autoencoder(2, types={"b": "number"}).fit(frame)',
        "OptionError",
        "column 'b' holds text such as 'u', which cannot be of kind 'number'.",
    ),
    (
        'Autoencoder(2, types="category").fit(frame)',
        "OptionError",
        "types must be kinds by name, such as {'code': 'category'}, got 'category'.",
    ),
    ('Autoencoder(2, memory="lots").fit(X)', "OptionError", "memory must be a size such as 2GB or 500MB, got 'lots'."),
    ("Autoencoder(2, memory=-1).fit(X)", "OptionError", "memory must be a size such as 2GB or 500MB, got -1."),
    (
        "Autoencoder(2, random_state=-1).fit(X)",
        "OptionError",
        "random_state must be None, a whole number from 0 to 2**32 - 1 or a generator, got -1.",
    ),
    (
        'Autoencoder(2, random_state="x").fit(X)',
        "OptionError",
        "random_state must be None, a whole number from 0 to 2**32 - 1 or a generator, got 'x'.",
    ),
    (
        "Autoencoder(2).fit(None)",
        "DataError",
        "fit() expected rows, such as an array (n, features) or a frame, got None.",
    ),
    (
        "Autoencoder(2).fit([])",
        "ShapeError",
        "fit() expected rows (n, features) or images (n, height, width[, channels]), got one",
    ),
    (
        "Autoencoder(2).fit(np.empty((0, 3)))",
        "ShapeError",
        "fit() expected at least 1 row and 1 feature, got shape (0, 3): pass rows (n, features).",
    ),
    (
        "Autoencoder(2).fit(np.empty((5, 0)))",
        "ShapeError",
        "fit() got 0 feature(s) (shape=(5, 0)) while a minimum of 1 is required.",
    ),
    (
        "Autoencoder(2).fit(X[0])",
        "ShapeError",
        "fit() expected rows (n, features) or images (n, height, width[, channels]), got one",
    ),
    (
        "Autoencoder(2).fit(5)",
        "ShapeError",
        "fit() expected rows, such as an array (n, features) or a frame, got a single value.",
    ),
    (
        "Autoencoder(2).fit([[1, 2], [3]])",
        "ShapeError",
        "fit() expected rows of one length, got rows of several (setting an array element with a",
    ),
    (
        'Autoencoder(2).fit([["a", "b"], ["c", "d"]])',
        "DataError",
        "fit() expected numbers, got 'a' in row 0, column 0: turn text into numbers, or pass a",
    ),
    (
        "Autoencoder(2).fit(X * 1j)",
        "DataError",
        "fit() expected real numbers, got complex128. Complex data not supported.",
    ),
    (
        "Autoencoder(2).fit(np.full((5, 3), np.inf))",
        "DataError",
        "fit() expected finite numbers, got 15 that are not; the first is infinity in row 0,",
    ),
    (
        "Autoencoder(2).fit(np.full((5, 3), np.nan))",
        "DataError",
        "fit() got column 0 (counted from 0) without a value in any row: leave it out.",
    ),
    (
        "Autoencoder(2).fit(np.c_[X, np.full(60, np.nan)])",
        "DataError",
        "fit() got column 6 (counted from 0) without a value in any row: leave it out.",
    ),
    (
        "Autoencoder(2).fit(np.array([[{}, 1]], object))",
        "NoNumberError",
        "fit() expected numbers, got '{}' (dict) in row 0, column 0: each cell of the argument must be a number",
    ),
    (
        "Autoencoder(2).fit(rng.normal(size=(3, 2, 2, 2, 2)))",
        "ShapeError",
        "fit() expected rows (n, features) or images (n, height, width[, channels]), got 5 axes.",
    ),
    (
        'Autoencoder(2).fit("no such thing")',
        "DataError",
        "unknown data set 'no such thing'. Known: digits, fashion-mnist, mnist. Or a file: .npy,",
    ),
    ('Autoencoder(2).fit("missing.csv")', "DataError", "no file 'missing.csv'"),
    (
        "Autoencoder(2).fit(sp.csr_matrix((5, 3)))",
        "DataError",
        "fit() expected rows to learn from, got a sparse matrix with no value other than zero in",
    ),
    (
        "Autoencoder(2).fit(pd.DataFrame())",
        "DataError",
        "a frame of pandas: expected a table with rows and columns, got 0 rows.",
    ),
    (
        'Autoencoder(2).fit(pd.DataFrame({"a": []}))',
        "DataError",
        "a frame of pandas: expected a table with rows and columns, got 0 rows.",
    ),
    (
        'Autoencoder(2).fit(pd.DataFrame([[1, 2]], columns=["a", "a"]))',
        "DataError",
        "a frame of pandas: two columns are called 'a': give each column a name of its own.",
    ),
    (
        'Autoencoder(2, strict=True).fit(pd.DataFrame({"a": [1, 2], "b": [None, None]}))',
        "DataError",
        "a frame of pandas: nothing can be learnt from 1 of its columns: 'b' (no value in any row): leave it out "
        "(X.drop(columns=['b'])), or pass strict=False.",
    ),
    (
        'Autoencoder(2, strict=True).fit(pd.DataFrame({"a": [[1], [2]], "b": [1, 2]}))',
        "DataError",
        "'a' (holds list<item: int64>, not numbers, texts, booleans or dates)",
    ),
    (
        'Autoencoder(2, strict=True).fit(pd.DataFrame({"t": [f"text {i}" for i in range(50)], "b": range(50)}))',
        "DataError",
        "'t' (text with 50 different values in 50 rows)",
    ),
    (
        "Autoencoder(2).encode(X)",
        "NotFittedError",
        "this Autoencoder is not fitted: call fit(X) first, or Autoencoder.load(path).",
    ),
    (
        'Autoencoder(2).save("x")',
        "NotFittedError",
        "this Autoencoder is not fitted: call fit(X) first, or Autoencoder.load(path).",
    ),
    (
        "Autoencoder(2).score_samples(X)",
        "NotFittedError",
        "this Autoencoder is not fitted: call fit(X) first, or Autoencoder.load(path).",
    ),
    (
        "Autoencoder(2).partial_fit(sp.eye(5).tocsr())",
        "DataError",
        "partial_fit() expected dense rows, got a sparse matrix: pass X.toarray().",
    ),
    (
        "m.partial_fit(X[:, :3])",
        "ShapeError",
        "partial_fit(): X has 3 features, but Autoencoder is expecting 6 features as input.",
    ),
    (
        "m.encode(X[:, :5])",
        "ShapeError",
        "encode() expected 6 features, got 5 features. The model was fitted on rows of shape",
    ),
    (
        "m.encode(X[0])",
        "ShapeError",
        "encode() expected rows (n, features) or images (n, height, width[, channels]), got one",
    ),
    (
        "m.encode(np.full((2, 6), np.nan))",
        "DataError",
        "encode() expected finite numbers, got 12 that are not; the first is NaN in row 0,",
    ),
    (
        'm.encode([["a"] * 6])',
        "DataError",
        "encode() expected numbers, got 'a' in row 0, column 0: turn text into numbers, or pass",
    ),
    (
        "m.encode(X * 1e300)",
        "DataError",
        "row 0, feature 0: 1.26e+299 is too far from the rows of fit() for the network (float32): correct",
    ),
    (
        "m.encode(images)",
        "ShapeError",
        "encode() expected 6 features, got images of 12 x 12 (144 numbers). The model was fitted",
    ),
    ('m.encode("missing.npy")', "DataError", "no file 'missing.npy'"),
    (
        "m.encode(frame)",
        "DataError",
        "encode() expected numbers, got 'u' in row 0, column 1: turn text into numbers, or pass",
    ),
    ("m.decode(X)", "ShapeError", "decode() expected latents of shape (n, 2) with n >= 1, got (60, 6)."),
    (
        "m.decode(np.full((1, 2), np.nan))",
        "DataError",
        "decode() expected finite numbers, got 2 that are not; the first is NaN in row 0, column",
    ),
    (
        "m.decode([[1, 2], [3]])",
        "ShapeError",
        "decode() expected latents of one length, got several (setting an array element with a",
    ),
    ('m.reconstruct(X, fill="some")', "OptionError", "fill must be 'all' or 'missing', got 'some'."),
    ("m.encode(X, out=np.empty((3, 2), np.float32))", "ShapeError", "out expected shape (60, 2), got (3, 2)."),
    (
        "m.encode(X, out=np.empty((60, 2), np.int32))",
        "ShapeError",
        "out expected float32, got int32, which cannot hold it.",
    ),
    (
        "m.sample(5)",
        "OptionError",
        "sample() needs a gaussian (VAE) bottleneck, got a plain one:",
    ),
    (
        "m.log_likelihood(X)",
        "OptionError",
        "log_likelihood() needs a gaussian (VAE) bottleneck, got a plain",
    ),
    (
        'm.save("/nowhere/model")',
        "OutputError",
        "/nowhere/model.safetensors: the folder /nowhere does not exist: make it first.",
    ),
    ('m.save("")', "OutputError", "expected the name of a model file, such as 'model.safetensors', got ''."),
    ('mf.encode(frame.drop(columns="b"))', "DataError", "encode(): column 'b' is missing: fit() saw 'a', 'b', 'when'."),
    (
        'mf.encode(frame.assign(a="x"))',
        "DataError",
        "encode(): column 'a' expected a number, got 'x' in row 0: correct it, or leave it empty.",
    ),
    (
        "mf.encode(X[:, :3])",
        "DataError",
        "encode() expected a frame, as fit() had, got ndarray: column 'b' does not hold numbers. Pass a frame with the "
        "same columns.",
    ),
    (
        'mf.encode(frame.assign(when="soon"))',
        "DataError",
        "encode(): column 'when' expected a date such as 2024-05-31, got 'soon' in row 0: correct it, or leave it",
    ),
    (
        "mf.decode(frame)",
        "DataError",
        "decode(): columns 'latent_0', 'latent_1' are missing: fit() saw 'latent_0',",
    ),
    (
        "mi.encode(images[:, :5])",
        "ShapeError",
        "encode() expected images of 12 x 12 (144 numbers), got images of 5 x 12 (60 numbers).",
    ),
    (
        "mi.encode(images[0])",
        "ShapeError",
        "encode() expected images of 12 x 12 (144 numbers), got 12 features. The model was",
    ),
    (
        'diabolo.load("missing.safetensors")',
        "ModelFileError",
        "no model file 'missing.safetensors': make one with `diabolo fit`.",
    ),
    ('diabolo.load(".")', "ModelFileError", "'.' cannot be read: Is a directory."),
    ("AnomalyDetector(contamination=0.7).fit(X)", "OptionError", "contamination must be a share in (0, 0.5], got 0.7."),
    (
        'AnomalyDetector(contamination="much").fit(X)',
        "OptionError",
        "contamination must be a share in (0, 0.5], got 'much'.",
    ),
    ("AnomalyDetector(false_alarm_rate=0).fit(X)", "OptionError", "false_alarm_rate must be a share in (0, 1], got 0."),
    ("AnomalyDetector().predict(X)", "NotFittedError", "this AnomalyDetector is not fitted: call fit(X) first."),
    ("AnomalyDetector().fit(X[:1])", "DataError", "fit() expected at least 2 rows to compare, got n_samples = 1."),
    (
        'AnomalyDetector.load("missing.safetensors")',
        "ModelFileError",
        "no model file 'missing.safetensors': make one with `diabolo fit`.",
    ),
    ('windows(frame, window=5, time="nope")', "OptionError", "unknown column 'nope'. Known: a, b, when."),
    (
        'windows(frame, window=5, time="b")',
        "DataError",
        "windows(): column 'b' holds large_string, expected moments: dates such as 2024-05-31",
    ),
    (
        'windows(frame, window=5, time="when", step=0)',
        "OptionError",
        "step must be a whole number of at least 1, got 0.",
    ),
    ("search(X, trials=0)", "OptionError", "trials must be a whole number of at least 1, got 0."),
    ('search(X, budget="soon")', "OptionError", "budget must be a time such as 90s, 10m or 2h, got 'soon'."),
    ("search(X, budget=-1)", "OptionError", "budget must be a time such as 90s, 10m or 2h, got -1."),
    (
        'search(X, space={"widht": [3]})',
        "OptionError",
        "unknown name in the space 'widht'. Did you mean 'width'? Known: activation,",
    ),
    (
        'search(X, space={"batch_size": []})',
        "OptionError",
        "the space holds nothing for 'batch_size': give at least one value.",
    ),
    (
        'search(X, space={"rate": (3, 1)})',
        "OptionError",
        "the space: 'rate' must be a list of values, or a pair (low, high) with 0 < low < high,",
    ),
    (
        'search(X, space={"structure": ["conv 32"]}, trials=1)',
        "OptionError",
        "nothing in the space can be trained on these rows: structure 'conv' needs images",
    ),
    (
        'search(X, optimizer="adam", space={"weight_decay": (0.1, 0.5)})',
        "OptionError",
        "the space: 'weight_decay' has no effect with 'optimizer': leave one out.",
    ),
    (
        'search(X, space={"structure": ["dense"], "depth": [1]})',
        "OptionError",
        "the space: 'depth' has no effect with 'structure': leave one out.",
    ),
    (
        'Autoencoder("auto").partial_fit(X)',
        "OptionError",
        "partial_fit() cannot count latents: give latent_dim as a number, or fit() first.",
    ),
    ("search(X, latent=3)", "OptionError", "unknown setting 'latent'. Did you mean 'latent_dim'? Known: activation,"),
    (
        'race(X, optimizers=["adamm"])',
        "OptionError",
        "unknown optimizer 'adamm'. Did you mean 'adam'? Known: adafactor, adam, adamax, adamw,",
    ),
    (
        "race(X, times=())",
        "OptionError",
        "times must be a list with something in it, got ()",
    ),
    ("race(X, epochs=0)", "OptionError", "epochs must be a whole number of at least 1, got 0."),
    (
        "race(sp.eye(5).tocsr())",
        "DataError",
        "a search, a race or a test needs dense rows, got a sparse matrix: pass X.toarray() of a",
    ),
    (
        'range_test(X, optimizer="adm")',
        "OptionError",
        "unknown optimizer 'adm'. Did you mean 'adam'? Known: adafactor, adam, adamax, adamw,",
    ),
    (
        "range_test([])",
        "ShapeError",
        "a search, a race or a test expected rows (n, features) or images (n, height, width[,",
    ),
    ("error_by_size(X, [0])", "OptionError", "sizes must be whole numbers of at least 1, got [0]."),
    (
        "error_by_size(X, latent_dim=3)",
        "OptionError",
        "error_by_size tries several latent_dim: give `sizes` in place of it.",
    ),
    (
        'Autoencoder(2, optimizer="auto", learning_rate=0.1).fit(X)',
        "OptionError",
        "optimizer='auto' chooses the rate as well: leave learning_rate out.",
    ),
    (
        'Autoencoder("auto", structure="6-4-2").fit(X)',
        "OptionError",
        "structure '6-4-2' says how many latents: leave latent_dim='auto' out.",
    ),
    (
        'Autoencoder("auto").fit(sp.eye(5).tocsr())',
        "DataError",
        "latent_dim='auto' needs dense rows, got a sparse matrix: pass X.toarray() of a part of",
    ),
    (
        "Autoencoder(2).fit(X, resume=True)",
        "OptionError",
        "resume=True (--resume) needs the folder of the run: give run (--run) as well.",
    ),
    (
        'Autoencoder(2, **quick).fit(X, run="/proc/x")',
        "OutputError",
        "/proc/x cannot be the folder of a run: No such file or directory: choose another folder.",
    ),
    (
        'Autoencoder(2, **quick).fit(X, run="missing", resume=True)',
        "CheckpointError",
        "missing holds no training to go on with: leave resume (--resume) out.",
    ),
    (
        'datasets.mnist("/nowhere")',
        "DataError",
        "/nowhere/mnist: expected the file train-images-idx3-ubyte.gz there, found none: put it",
    ),
    (
        'diabolo.split(m, at="nope")',
        "CutError",
        "split() expected a keras.Model, got Autoencoder. Pass autoencoder.to_keras().",
    ),
    (
        'diabolo.evaluate(m, "nope", {})',
        "CutError",
        "evaluate() expected a keras.Model, got Autoencoder. Pass autoencoder.to_keras().",
    ),
    (
        "det.explain(X[:, :2])",
        "ShapeError",
        "explain(): X has 2 features, but AnomalyDetector is expecting 6 features as input.",
    ),
    (
        'det.save("/nowhere/d")',
        "OutputError",
        "/nowhere/d.safetensors: the folder /nowhere does not exist: make it first.",
    ),
    (
        "det.predict(X * np.nan)",
        "DataError",
        "score_samples() expected finite numbers, got 360 that are not; the first is NaN in row",
    ),
    ("AnomalyDetector(contamination=0).fit(X)", "OptionError", "contamination must be a share in (0, 0.5], got 0."),
    (
        'AnomalyDetector().fit([["a"], ["b"]])',
        "DataError",
        "fit() expected numbers, got 'a' in row 0, column 0: turn text into numbers, or pass a",
    ),
    (
        'windows(X, time="t", window=5)',
        "DataError",
        "windows() expected a frame of pandas, polars or pyarrow, got ndarray.",
    ),
    ('windows(frame, time="when", window=0)', "OptionError", "window must be a whole number of at least 1, got 0."),
    (
        'windows(frame, time="when", window=100)',
        "DataError",
        "windows(): column 'b' holds large_string, expected numbers: leave it out (frame.drop(columns='b')).",
    ),
    (
        'windows(frame.assign(when=frame.when[0]), time="when", window=5)',
        "DataError",
        "windows(): column 'b' holds large_string, expected numbers: leave it out (frame.drop(columns='b')).",
    ),
    (
        'windows(frame.assign(a=None), time="when", window=5)',
        "DataError",
        "windows(): column 'a' holds null, expected numbers: leave it and 1 more such out (frame.drop(columns=['a', ",
    ),
    (
        "Autoencoder(2).fit([X[:5], X[:7, :3]])",
        "ShapeError",
        "all series (time, channels) must have the same number of channels, got [(3,), (6,)]",
    ),
    (
        'Autoencoder(2).fit(pd.DataFrame({"a": [1.0, np.inf], "b": [1, 2]}))',
        "DataError",
        "a frame of pandas: column 'a' holds infinity in row 1: drop or correct the row.",
    ),
    (
        'Autoencoder(2, bottleneck="gaussian", epochs=1).fit(X).sample(0)',
        "OptionError",
        "sample(): count must be a whole number of at least 1, got 0.",
    ),
    (
        'Autoencoder(2, bottleneck="gaussian", **quick).fit(X).log_likelihood(X, n_samples=0)',
        "OptionError",
        "n_samples must be a whole number of at least 1, got 0.",
    ),
    (
        "m.score(X[:0])",
        "ShapeError",
        "score_samples() expected at least 1 row and 1 feature, got shape (0, 6): pass",
    ),
    (
        "m.encode(X[:0])",
        "ShapeError",
        "encode() expected at least 1 row and 1 feature, got shape (0, 6): pass rows (n, features).",
    ),
    (
        "m.reconstruct(None)",
        "DataError",
        "reconstruct() expected rows, such as an array (n, features) or a frame, got None.",
    ),
    (
        "search(X, budget=1, epochs=1)",
        "OptionError",
        "a budget of 1 s is too short for one trial: give at least 10s.",
    ),
    ("search(X, epochs=0)", "OptionError", "epochs must be a whole number of at least 1, got 0."),
    (
        'search(X, space={"width": ["a"]})',
        "OptionError",
        "the space: width must be a whole number of at least 1, got 'a'.",
    ),
    ('search(X, space={"noise": [2]})', "OptionError", "the space: noise must be in [0, 1), got 2."),
    (
        'search(X, space={"kind": ["densee"]})',
        "OptionError",
        "the space: unknown kind of structure 'densee'. Did you mean 'dense'? Known: conv,",
    ),
    (
        'search(X, trials=1, space={"activation": ["rellu"]})',
        "OptionError",
        "the space: activation: unknown activation",
    ),
    (
        "error_by_size(X, [9], epochs=1)",
        "OptionError",
        "latent_dim must be below the number of features (6), got 9: choose at most 5, or pass",
    ),
    (
        "race(X, optimizers=[])",
        "OptionError",
        "optimizers must be a list with something in it, got []",
    ),
    (
        "race(X, latent_dim=99)",
        "OptionError",
        "latent_dim must be below the number of features (6), got 99: choose at most 5, or pass",
    ),
    (
        'range_test(X, structure="dens")',
        "OptionError",
        "unknown structure 'dens'. Did you mean 'dense'? Known: attention, attention1d, conv,",
    ),
    (
        "Autoencoder(2).advise([])",
        "ShapeError",
        "fit() expected rows (n, features) or images (n, height, width[, channels]), got one",
    ),
    (
        'Autoencoder(2, structure="dens").advise(X)',
        "OptionError",
        "unknown structure 'dens'. Did you mean 'dense'? Known: attention, attention1d, conv,",
    ),
    (
        'Autoencoder(2, types={"a": "count"}, epochs=1).fit(X)',
        "OptionError",
        "types= can be used only with tables, got an array.",
    ),
    (
        'Autoencoder(2, types={"a": "count"}).fit(sp.csr_matrix(X))',
        "OptionError",
        "types= can be used only with tables, got a sparse",
    ),
    (
        "Autoencoder(2, series=True).fit(sp.csr_matrix(X))",
        "OptionError",
        "series= can be used only with arrays (n, time, channels)",
    ),
    (
        "Autoencoder(2, series=True).fit(frame)",
        "OptionError",
        "series= can be used only with arrays (n, time, channels), which",
    ),
    (
        'AnomalyDetector(Autoencoder(2, types={"a": "count"})).fit(X)',
        "OptionError",
        "types= can be used only with tables, got an",
    ),
    ('search(X, trials=1, types={"a": "count"})', "OptionError", "types= can be used only with tables, got an array."),
    (
        'error_by_size(X, [2], types={"a": "count"})',
        "OptionError",
        "types= can be used only with tables, got an array.",
    ),
    ("m.save(None)", "OutputError", "expected the name of a model file, such as 'model.safetensors', got None."),
    ("m.save(5)", "OutputError", "expected the name of a model file, such as 'model.safetensors', got 5."),
    ('m.save("m\\0")', "OutputError", "expected the name of a model file, such as 'model.safetensors', got 'm"),
    ('m.save("m.keras")', "OutputError", "m.keras: a model file ends in .safetensors: write m.safetensors."),
    (
        'm.save("folder/m.h5")',
        "OutputError",
        "folder/m.h5: a model file ends in .safetensors: write folder/m.safetensor",
    ),
    ('det.save("m.joblib")', "OutputError", "m.joblib: a model file ends in .safetensors: write m.safetensors."),
    (
        'mf.decode(pd.DataFrame(np.ones((3, 4)), columns=[f"latent_{at}" for at in range(4)]))',
        "DataError",
        "decode() holds 4 latents, latent_0 to latent_3, and this model has 2: use the model that",
    ),
    ('search(X, space={"activation": ["rellu"]}, run="f")', "OptionError", "the space: activation: unknown"),
    ('diabolo.load(model_path, expect_sha256="00" * 32)', "ModelFileError", "': it is another file"),
    ('diabolo.load(model_path, expect_sha256="00")', "OptionError", "expect_sha256 must be the 64 hexadecimal digits"),
    ("diabolo.load(5)", "ModelFileError", "expected the path of a model file, got 5"),
]


def make_with_outputs(folder):
    """Make rows, and a file under each name that a command would write next to them."""
    np.save(folder / "rows.npy", np.random.default_rng(0).normal(size=(30, 3)))
    (folder / "rows.csv").write_text("a,b,c\n" + "".join(f"{at},{at % 3},{at % 5}\n" for at in range(30)))
    for of in ("rows", "gone"):
        (folder / f"{of}.safetensors").touch()
        for kind in ("latents", "decoded", "reconstructed", "scores", "windows"):
            (folder / f"{of}-{kind}.npy").touch()
            (folder / f"{of}-{kind}.csv").touch()
            (folder / f"{of}-{kind}.npz").touch()
    (folder / "gone.safetensors").unlink()
    (folder / "p.png").touch()


def make(folder):
    """Make the files in a folder."""
    np.save(folder / "wide.npy", np.ones((5, 3)))
    np.save(folder / "small.npy", np.ones((5, 28, 27)))
    np.save(folder / "nan.npy", np.array([[1.0, 2.0], [np.nan, np.inf]]))
    np.save(folder / "objects.npy", np.array([[{}]], object), allow_pickle=True)
    np.save(folder / "text.npy", np.array([["x"]]))
    np.save(folder / "empty.npy", np.ones((0, 3)))
    sparse.save_npz(folder / "sparse.npz", sparse.eye_array(5, format="csr"))
    np.savez(folder / "two.npz", first=np.ones((5, 3)), second=np.ones((5, 3)))
    np.savez(folder / "really.npz", X=np.ones((5, 3)))
    (folder / "really.npz").rename(folder / "npz.npy")
    np.save(folder / "really.npy", np.ones((5, 3)))
    (folder / "really.npy").rename(folder / "npy.npz")
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 3), }".ljust(117) + "\n"
    (folder / "huge.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
    far = np.random.default_rng(0).normal(size=(50, 3))
    held_back = int(split_rows(np.arange(50)[:, None], 0.1, 0, TEST)[1][0, 0])
    far[held_back, 1] = 1e200  # training never sees it, judging would stumble over it
    np.save(folder / "far.npy", far)
    (folder / "latin.csv").write_bytes("a,b\n1,é\n".encode("latin-1"))
    (folder / "folder.1.safetensors").mkdir()
    (folder / "nothing").mkdir()
    for name, text in {
        "blank.csv": "\n" + "1,2\n" * 12 + "x,6\n",
        "allgap.csv": "a,b\n1,\n2,\n",
        "rows.npy.gz": "",
        "notes.txt": "hello",
        "notes.doc": "hello",
        "fake.npy": "not numpy",
        "fake.npz": "not a zip",
        "gone.csv": "name\n" + "".join(f"n{at}\n" for at in range(30)),
        "text.csv": "name,a\n" + "".join(f"n{at},{at}\n" for at in range(30)),
        "ragged.csv": "a,b\n1,2\n3\n",
        "header.csv": "a,b\n",
        "empty.csv": "",
    }.items():
        (folder / name).write_text(text)
    (folder / "table.csv").write_text("city,age\nRome,3\nOslo,4\nRome,5\n")
    (folder / "comma.csv").write_text("a;b\n1,5;2\n2,5;3\n")
    (folder / "quote.csv").write_text('a,b\n1,"2\n3,4\n')
    (folder / "cut.parquet").write_bytes(b"PAR1" + bytes(40))
    (folder / "photos").mkdir()
    (folder / "photos" / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(8))
    (folder / "list.json").write_text("[1]")
    (folder / "bad.json").write_text('{"activation": ["rellu"]}')
    (folder / "names.json").write_text('{"widths": [64]}')
    (folder / "grey").mkdir()
    Image.new("L", (8, 8)).save(folder / "grey" / "0.png")
    pq.write_table(pa.table({"city": ["Rome", "Oslo", "Rome"], "age": [3, 4, 5]}), folder / "table.parquet")
    np.savez(folder / "columns.npz", a=np.arange(3.0), b=np.array(["x", "y", "x"]))
    for name, count in {"more": 9, "fewer": 7}.items():
        latents = pa.table({f"latent_{at}": [0.0, 1.0] for at in range(count)})
        pq.write_table(latents, folder / f"{name}.parquet")
        pc.write_csv(latents, folder / f"{name}.csv")
    np.save(folder / "one.npy", np.ones((1, 3)))
