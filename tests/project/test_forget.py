"""Forgetting one person: the texts are gone from every file, and the models that learnt from them are named."""

from __future__ import annotations

from project_examples import HAM, messages, new_kind
from test_loop import ask_and_correct, several


def files_with(folder, text):
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and text.encode() in path.read_bytes():
            found.append(path.name)
    return found


def test_a_forgotten_user_leaves_no_text_behind(project):
    secret = new_kind(60, seed=2)
    ask_and_correct(project, secret, "spam", user=several)
    ask_and_correct(project, messages(20, HAM, seed=3), "ham", user=several)
    done = project.improve()
    assert done.outcome == "promoted"
    assert any(files_with(project.folder, text) for text in secret)
    exported = project.folder.parent / "exported.csv"
    with project.feedback() as store:
        store.export(exported)
    project.note_output(exported)

    gone = project.forget("inbox")  # all were sent by this user
    assert gone.database.predictions == 80
    assert gone.trained == (done.candidate,)
    assert gone.served
    assert {found.action for found in gone.files} <= {"rewritten", "deleted"}
    for text in secret:
        assert files_with(project.folder.parent, text) == []
    assert project.predict("free prize")[0].label == "spam", "the service goes on"

    made = project.run()
    assert made.lineage.corrections == (), "the retraining that was offered goes without the forgotten texts"
    assert project.improve().outcome == "nothing to learn"
