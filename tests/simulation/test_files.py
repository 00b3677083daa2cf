import json
import shutil

import pytest
import torch
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.data.files import check_folder, read_checked, write_folder, write_whole
from copybandit.simulation.data.tensor_file import FormatError, load_tensors, save_tensors

REMEDY = "take another one"


def two_files(folder):
    (folder / "weights.bin").write_bytes(b"0123456789")
    (folder / "words").mkdir()
    (folder / "words/list.txt").write_text("a b", encoding="utf-8")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "deep" / "state"
    write_folder(made, two_files)
    return made


def refusal(act, *arguments, **options):
    with pytest.raises(InputError) as error:
        act(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_folder_comes_with_sizes_and_hashes(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest == {
        "format_version": 1,
        "files": {
            # sha256 of "0123456789" and of "a b", as sha256sum prints them
            "weights.bin": {
                "size": 10,
                "sha256": "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882",
            },
            "words/list.txt": {
                "size": 3,
                "sha256": "c8687a08aa5d6ed2044328fa6a697ab8e96dc34291e8c2034ae8c38e6fcc6d65",
            },
        },
    }
    check_folder(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["state"]


@pytest.mark.parametrize(
    ("name", "damage", "told"),
    [
        ("weights.bin", lambda b: b"", "torn: 0 bytes of 10"),
        ("weights.bin", lambda b: b[:4], "torn: 4 bytes of 10"),
        ("weights.bin", lambda b: b[:-1] + b"x", "altered since it was written"),
        ("words/list.txt", None, "missing"),
        ("manifest.json", None, "manifest.json is missing, so it was written half or by something else"),
        ("manifest.json", lambda b: b"", "empty (0 bytes), it was written half"),
        ("manifest.json", lambda b: b[:30], "damaged or of another kind"),
        ("manifest.json", lambda b: b"{}", "damaged or of another kind"),
    ],
)
def test_damage_is_told_by_file_and_remedy(folder, name, damage, told):
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    if damage is not None:
        path.write_bytes(damage(content))
    line = refusal(check_folder, folder, REMEDY)
    assert told in line
    assert str(path if name in line and damage is not None else folder) in line
    assert line.endswith(f"; {REMEDY}")


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", "a/" * 3000 + "b"])
def test_a_manifest_that_names_what_no_file_can_be_called(folder, name):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = {name: next(iter(manifest["files"].values()))}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert refusal(check_folder, folder, REMEDY).endswith(f"; {REMEDY}")


def test_another_format_and_no_folder(folder, tmp_path):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format_version": 2}))
    assert "format 2, this Copybandit reads 1" in refusal(check_folder, folder)
    assert refusal(check_folder, tmp_path / "none", REMEDY).endswith("no such folder; take another one")


def test_a_folder_replaces_the_one_before_whole(folder):
    write_folder(folder, lambda beside: (beside / "other").write_text("1"))
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "other"]
    assert [path.name for path in folder.parent.iterdir()] == ["state"]
    check_folder(folder)


def test_what_fails_half_way_leaves_the_one_before(folder):
    def fails(beside):
        (beside / "weights.bin").write_bytes(b"half")
        raise OSError("no space left")

    for target in (folder, folder.parent / "new"):
        with pytest.raises(OSError, match="no space"):
            write_folder(target, fails)
    check_folder(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["state"]


def test_broken_off_between_two_names(folder):
    # As if the machine had stopped after the old folder was set aside.
    folder.rename(folder.with_name(".state.old"))
    assert ".state.old, the one before" in refusal(check_folder, folder)


def test_write_whole_keeps_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def half(beside):
        beside.write_text("ne")
        assert path.read_text() == "old"
        raise ValueError("stopped")

    with pytest.raises(ValueError, match="stopped"):
        write_whole(path, half)
    assert path.read_text() == "old"
    write_whole(path, lambda beside: beside.write_text("new"))
    assert path.read_text() == "new"
    assert [found.name for found in tmp_path.iterdir()] == ["a.txt"]


def test_read_checked(tmp_path):
    path = tmp_path / "a.json"

    def read(file):
        return json.loads(file.read_text())

    assert "no such file" in refusal(read_checked, path, read, REMEDY)
    path.write_text("")
    assert "empty (0 bytes)" in refusal(read_checked, path, read, REMEDY)
    path.write_text('{"a": ')
    assert "JSONDecodeError" in refusal(read_checked, path, read, REMEDY)
    path.write_text('{"a": 1}')
    assert read_checked(path, read) == {"a": 1}


class TestTensorFiles:
    TENSORS = {"w": torch.tensor([[1.0, 2.0], [3.0, 4.0]]).T, "n": torch.tensor(7), "b": torch.ones(2).bfloat16()}
    FACTS = {"é": [1, None], "a": {"z": 1, "b": 2.5}}

    @pytest.fixture
    def path(self, tmp_path):
        save_tensors(tmp_path / "a.safetensors", self.TENSORS, self.FACTS, kind="world", format_version=4)
        return tmp_path / "a.safetensors"

    def test_comes_back(self, path):
        tensors, facts = load_tensors(path, kind="world", format_version=4)
        assert list(facts.items()) == list(self.FACTS.items())
        assert set(tensors) == set(self.TENSORS)
        assert all(torch.equal(tensors[name], value) for name, value in self.TENSORS.items())

    def test_another_version(self, path):
        with pytest.raises(FormatError, match="world file of format 4, this Copybandit reads 5; take another one"):
            load_tensors(path, kind="world", format_version=5, remedy=REMEDY)

    def test_another_kind(self, path):
        assert "not a state file" in refusal(load_tensors, path, kind="state", format_version=4)

    @pytest.mark.parametrize(
        "damage", [lambda b: b"", lambda b: b[:9], lambda b: b[:-2], lambda b: b[:-1] + bytes([b[-1] ^ 1])]
    )
    def test_damage(self, path, damage):
        path.write_bytes(damage(path.read_bytes()))
        line = refusal(load_tensors, path, kind="world", format_version=4, remedy=REMEDY)
        assert line.startswith(str(path))
        assert line.endswith(REMEDY)

    def test_safetensors_of_another_writer(self, path):
        from safetensors.torch import save_file

        save_file({"w": torch.ones(1)}, path)
        assert "not a world file" in refusal(load_tensors, path, kind="world", format_version=4)


def test_a_copied_folder_stays_whole(folder, tmp_path):
    write_folder(tmp_path / "copy", lambda beside: shutil.copytree(folder, beside, dirs_exist_ok=True))
    check_folder(tmp_path / "copy")
    assert (tmp_path / "copy/manifest.json").read_text() == (folder / "manifest.json").read_text()
