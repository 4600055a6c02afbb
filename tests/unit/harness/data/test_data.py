"""Data sources: what they list, what they refuse, and the order in which images are taken."""

import zipfile

import numpy as np
import pytest
from conftest import make_folders
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import BadInputError, UsageError
from seatrial.harness.data import labeller, open_source, select
from seatrial.harness.data.labels import class_table, labels_of_folders, read_class_table
from seatrial.harness.data.overlap import check_disjoint
from seatrial.harness.data.subset import balanced_order


def opened(path, classes, **names):
    return open_source(path, classes, labeller(classes, **names))


def save_npz(path, *, count=10, classes=4, size=8, compress=False, **changes):
    rng = np.random.default_rng(0)
    arrays = {
        "images": rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8),
        "labels": np.arange(count) % classes,
        **changes,
    }
    arrays = {name: value for name, value in arrays.items() if value is not None}
    (np.savez_compressed if compress else np.savez)(path, **arrays)
    return arrays


def test_class_folders_are_listed_in_imagefolder_order(data_folder):
    source = opened(data_folder, 4)
    assert len(source.ids) == 24
    assert source.ids[0] == "class0/000.jpg"
    assert source.labels.tolist() == [label for label in range(4) for _ in range(6)]
    position, payload = next(source.stream([7]))
    assert position == 0
    assert payload.content == (data_folder / "class1/001.jpg").read_bytes()


def test_folder_digests_follow_content_not_names(data_folder):
    before = opened(data_folder, 4)
    digests = [digest for _, digest in before.digests(range(24))]
    (data_folder / "class0/000.jpg").rename(data_folder / "class0/renamed.jpg")
    after = opened(data_folder, 4)
    assert sorted(digest for _, digest in after.digests(range(24))) == sorted(digests)


def test_a_text_file_among_images_is_named(data_folder):
    (data_folder / "class2/notes.txt").write_text("nice ones")
    with pytest.raises(BadInputError, match=r"class2/notes\.txt"):
        opened(data_folder, 4)


def test_a_file_beside_the_class_folders_is_named(data_folder):
    (data_folder / "stray.jpg").write_bytes(b"")
    with pytest.raises(BadInputError, match=r"stray\.jpg"):
        opened(data_folder, 4)


def test_hidden_files_are_left_out(data_folder):
    (data_folder / ".DS_Store").write_bytes(b"x")
    (data_folder / "class0/.hidden").write_bytes(b"x")
    (data_folder / ".cache").mkdir()
    assert len(opened(data_folder, 4).ids) == 24


def test_no_images_and_no_folders(tmp_path):
    with pytest.raises(
        BadInputError, match=r"no class folders.*expected .*CLASS/IMAGE.jpg.*Only a run, diff and --calib"
    ):
        opened(tmp_path, 4)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with pytest.raises(BadInputError, match="no images"):
        opened(tmp_path, 2)


@pytest.mark.parametrize("link", ["class0/link.jpg", "class0/more", "class9"])
def test_links_are_refused_wherever_they_lie(data_folder, tmp_path, link):
    outside = make_folders(tmp_path / "outside", classes=1, images=1) / "class0"
    (data_folder / link).symlink_to(outside / "000.jpg" if link.endswith("jpg") else outside)
    with pytest.raises(BadInputError, match=f"{link} is a link"):
        opened(data_folder, 5 if link == "class9" else 4)


def test_missing_and_unknown_data(tmp_path):
    with pytest.raises(BadInputError, match="no data"):
        opened(tmp_path / "nothing", 4)
    (tmp_path / "data.tar.gz").write_bytes(b"")
    with pytest.raises(UsageError, match="neither"):
        opened(tmp_path / "data.tar.gz", 4)


@pytest.mark.parametrize("compress", [False, True])
def test_npz_streams_the_images_asked_for(tmp_path, compress):
    arrays = save_npz(tmp_path / "d.npz", compress=compress)
    source = opened(tmp_path / "d.npz", 4)
    assert source.ids[3] == "000003"
    found = dict(source.stream([7, 0, 4]))
    for position, index in enumerate([7, 0, 4]):
        np.testing.assert_array_equal(found[position].content, arrays["images"][index])


def test_npz_names_are_ids_where_unique(tmp_path):
    save_npz(tmp_path / "d.npz", names=np.array([f"n{i}" for i in range(10)]))
    assert opened(tmp_path / "d.npz", 4).ids[9] == "n9"
    save_npz(tmp_path / "e.npz", names=np.array(["same"] * 10))
    assert opened(tmp_path / "e.npz", 4).ids[9] == "000009"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"labels": None}, "no array `labels`"),
        ({"images": None}, "no array `images`"),
        ({"images": np.zeros((10, 8, 8, 3), np.float32)}, "float32"),
        ({"images": np.zeros((10, 3, 8, 8), np.uint8)}, "expected uint8"),
        ({"images": np.zeros((0, 8, 8, 3), np.uint8), "labels": np.zeros(0, int)}, "no images"),
        ({"images": np.array([{}] * 10)}, "pickled"),
        ({"images": np.asfortranarray(np.zeros((10, 8, 8, 3), np.uint8))}, "Fortran"),
        ({"labels": np.zeros(10)}, "expected integers"),
        ({"labels": np.zeros(9, int)}, r"expected integers \[10\]"),
        ({"labels": np.arange(10)}, "0 to 9, but the model has 4"),
        ({"labels": np.arange(10) - 1}, "-1 to 8"),
    ],
)
def test_npz_of_another_layout_is_refused(tmp_path, changes, says):
    save_npz(tmp_path / "d.npz", **changes)
    with pytest.raises(BadInputError, match=says):
        opened(tmp_path / "d.npz", 4)


def test_a_thousand_labels_on_a_ten_class_model(tmp_path):
    save_npz(tmp_path / "d.npz", count=1000, classes=1000, size=2)
    with pytest.raises(BadInputError, match="0 to 999, but the model has 10 outputs"):
        opened(tmp_path / "d.npz", 10)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 and then nothing"])
def test_a_file_that_is_no_archive(tmp_path, content):
    (tmp_path / "d.npz").write_bytes(content)
    with pytest.raises(BadInputError, match=r"d\.npz"):
        opened(tmp_path / "d.npz", 4)


def test_an_array_that_ends_before_its_declared_size(tmp_path):
    save_npz(tmp_path / "d.npz")
    with zipfile.ZipFile(tmp_path / "d.npz") as whole, zipfile.ZipFile(tmp_path / "cut.npz", "w") as cut:
        for name in whole.namelist():
            raw = whole.read(name)
            cut.writestr(name, raw[:-100] if name == "images.npy" else raw)
    source = opened(tmp_path / "cut.npz", 4)
    with pytest.raises(BadInputError, match="truncated"):
        list(source.stream(range(10)))


def test_labels_that_claim_terabytes_are_refused_unread(tmp_path):
    header = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
    text = b"{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000,), }"
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        save_npz(tmp_path / "ok.npz")
        archive.writestr("images.npy", zipfile.ZipFile(tmp_path / "ok.npz").read("images.npy"))
        archive.writestr("labels.npy", header + text.ljust(117) + b"\n")
    with pytest.raises(BadInputError, match="claims 8000000000000 bytes"):
        opened(tmp_path / "d.npz", 4)


def test_folders_are_matched_by_name_synset_or_index(tmp_path):
    csv = tmp_path / "classes.csv"
    csv.write_text('index,synset,name\n0,n01,crane\n1,n02,"dog, big"\n2,n03,crane\n3,n04,cat\n')
    table = read_class_table(csv, 4)
    assert table.names == ("crane", "dog, big", "crane", "cat")
    assert labels_of_folders(["n03", "n01"], 4, table) == {"n03": 2, "n01": 0}
    assert labels_of_folders(["dog, big", "cat"], 4, table) == {"dog, big": 1, "cat": 3}
    assert labels_of_folders(["0", "002"], 4, table) == {"0": 0, "002": 2}
    with pytest.raises(BadInputError, match="of one class: crane"):
        labels_of_folders(["crane", "cat"], 4, table)  # two classes have that name


def test_without_a_table_numbers_are_indices_and_words_are_sorted():
    assert labels_of_folders(["10", "2"], 43, None) == {"10": 10, "2": 2}
    assert labels_of_folders(["b", "a"], 2, None) == {"a": 0, "b": 1}


@pytest.mark.parametrize(
    ("folders", "classes", "names", "says"),
    [
        (["a", "b"], 3, None, "--classes FILE"),
        (["a", "zebra"], 2, ("a", "b"), "zebra"),
        (["0", "5"], 3, None, "0 to 5"),
        (["1", "01"], 3, None, "same class"),
    ],
)
def test_folders_that_do_not_fit_the_model(folders, classes, names, says):
    with pytest.raises((BadInputError, UsageError), match=says):
        labels_of_folders(folders, classes, class_table(names) if names else None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "index,synset,name\n0,n01\n",
        "index,synset,name\n0,a,b\n2,c,d\n",
        "index,synset,name\n0,a,b\n0,c,d\n",
        "index,synset,name\n0,a,b\n1,a,d\n",
    ],
)
def test_class_files_that_are_none(tmp_path, text):
    path = tmp_path / "classes.csv"
    path.write_text(text)
    with pytest.raises(BadInputError):
        read_class_table(path, 1)


@pytest.mark.parametrize("text", ["{}\nYield\n", "index,synset,name\n0,n01,{}\n1,n02,Yield\n"])
@pytest.mark.parametrize("sign", ["\x85", "\u2028", "\x0b", "\x1d"])
def test_a_name_may_hold_a_sign_at_which_python_parts_lines(tmp_path, text, sign):
    path = tmp_path / "classes.csv"
    path.write_text(text.format(f"Speed{sign}limit"))
    assert read_class_table(path, 2).names == (f"Speed{sign}limit", "Yield")


def test_one_name_a_line(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("Speed limit 20\nYield\n")
    assert read_class_table(path, 2).index_of == {"Speed limit 20": 0, "Yield": 1}
    with pytest.raises(UsageError, match="no class file"):
        read_class_table(tmp_path / "nothing", 2)
    with pytest.raises(UsageError, match="names 2 classes"):
        read_class_table(path, 3)
    save_npz(tmp_path / "d.npz")
    with pytest.raises(UsageError, match="names 2 classes"):
        opened(tmp_path / "d.npz", 4, classes_file=path)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(0, 3))
def test_any_first_n_are_balanced(labels, seed):
    ids = [f"image{index}" for index in range(len(labels))]
    array = np.array(labels, np.int64)
    order = balanced_order(ids, array, seed)
    assert sorted(order) == list(range(len(labels)))
    available = {label: labels.count(label) for label in set(labels)}
    for limit in range(1, len(order) + 1):
        taken = [labels[index] for index in order[:limit]]
        counts = {label: taken.count(label) for label in available}
        most = max(counts.values())
        assert all(counts[label] >= min(available[label], most - 1) for label in available)


def test_the_order_belongs_to_ids_and_seed_not_to_positions():
    ids, labels = [f"i{n}" for n in range(50)], np.arange(50) % 5
    order = [ids[index] for index in balanced_order(ids, labels, 0)]
    turned = [ids[::-1][index] for index in balanced_order(ids[::-1], labels[::-1], 0)]
    assert order == turned
    assert order != [ids[index] for index in balanced_order(ids, labels, 1)]


def test_limit_takes_the_first_of_the_same_order(data_folder):
    source = opened(data_folder, 4)
    whole, first = select(source, seed=0, limit=None), select(source, seed=0, limit=8)
    assert whole.ids[:8] == first.ids
    assert np.bincount(first.labels).tolist() == [2, 2, 2, 2]


def test_overlap_is_found_by_content(tmp_path):
    make_folders(tmp_path / "a")
    check_disjoint(["x", "y"], ["1", "2"], ["z"], ["3"])
    with pytest.raises(BadInputError, match=r"1 of 2 calibration images.*y = other"):
        check_disjoint(["x", "y"], ["1", "2"], ["z", "other"], ["3", "2"])


IMAGENET = [f"class {index}" for index in range(1000)]


@pytest.fixture
def thousand(tmp_path):
    lines = [f"{index},n{index:08d},{name}" for index, name in enumerate(IMAGENET)]
    (tmp_path / "names.csv").write_text("\n".join(["index,synset,name", *lines]))
    return tmp_path / "names.csv"


@pytest.mark.parametrize("folder", ["class 7", "n00000007", "7", "0007"])
def test_behind_a_background_class_every_folder_moves_up_by_one(thousand, folder):
    assert labeller(1001, classes_file=thousand)([folder, "0"]) == {folder: 8, "0": 1}
    assert labeller(1000, classes_file=thousand)([folder, "0"]) == {folder: 7, "0": 0}


def test_behind_a_background_class_the_labels_of_archives_move_too(tmp_path, thousand):
    save_npz(tmp_path / "d.npz", classes=1000, labels=np.array([0, 5, 999, 1, 2, 3, 4, 5, 6, 7]))
    source = opened(tmp_path / "d.npz", 1001, classes_file=thousand)
    assert source.labels.tolist()[:3] == [1, 6, 1000]
    plain = opened(tmp_path / "d.npz", 1000, classes_file=thousand)
    assert (source.ids, source.name) == (plain.ids, plain.name)
    assert list(source.digests([1])) == list(plain.digests([1]))
    assert next(source.stream([3]))[1].where == next(plain.stream([3]))[1].where


def test_a_table_of_all_1001_names_moves_nothing(tmp_path):
    (tmp_path / "names.txt").write_text("\n".join(["background", *IMAGENET]))
    assert labeller(1001, classes_file=tmp_path / "names.txt")(["class 7", "7"]) == {"class 7": 8, "7": 7}


def test_the_table_behind_a_background_class_names_every_output(thousand):
    names = read_class_table(thousand, 1001).names
    assert (len(names), names[0], names[1]) == (1001, "background", "class 0")


def test_labels_beyond_the_thousand_are_refused(tmp_path, thousand):
    save_npz(tmp_path / "d.npz", labels=np.arange(1, 11) * 100)
    with pytest.raises(BadInputError, match="100 to 1000"):
        opened(tmp_path / "d.npz", 1001, classes_file=thousand)
    with pytest.raises(BadInputError, match="1001"):
        labeller(1001, classes_file=thousand)(["1000"])


def test_only_a_table_of_1000_for_1001_outputs_means_a_background_class(tmp_path):
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    with pytest.raises(UsageError, match="names 3 classes, but the model has 4"):
        labeller(4, classes_file=tmp_path / "names.txt")
    assert labeller(1001)(["7", "8"]) == {"7": 7, "8": 8}


def test_a_thousand_folders_for_1001_outputs_hint_at_the_background_class():
    with pytest.raises(BadInputError, match=r"--classes FILE\..*background class first"):
        labels_of_folders(IMAGENET, 1001, None)
    with pytest.raises(BadInputError, match=r"--classes FILE\. If they are no classes"):
        labels_of_folders(IMAGENET, 1002, None)
