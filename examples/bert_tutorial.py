"""The usual BERT tutorial: read texts, tokenise, fine-tune in a loop of one's own, evaluate, predict.

Written for `transformers`, it runs here after changing its import line. The texts are 5,574 short messages, spam or
not; the model is a small pretrained BERT. About a minute on two cores: ``python examples/bert_tutorial.py``
"""

import csv

import torch
from torch.optim import Adam
from torch.utils.data import DataLoader, TensorDataset

from enfold import BertForSequenceClassification, BertTokenizer, set_seed
from enfold.hub import locate

MODEL = "minilm"


def read_messages(limit):
    with open(locate("sms-spam", kind="data").path, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:limit]
    return [row["text"] for row in rows], [int(row["spam"]) for row in rows]


def make_loader(tokenizer, texts, labels, shuffle):
    encoded = tokenizer(texts, padding=True, truncation=True, max_length=64, return_tensors="pt")
    dataset = TensorDataset(encoded["input_ids"], encoded["attention_mask"], torch.tensor(labels))
    return DataLoader(dataset, batch_size=16, shuffle=shuffle)


def main(limit=1000, epochs=1):
    set_seed(42)
    tokenizer = BertTokenizer.from_pretrained(MODEL)
    model = BertForSequenceClassification.from_pretrained(MODEL, num_labels=2)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)

    texts, labels = read_messages(limit)
    split = len(texts) * 4 // 5
    train_loader = make_loader(tokenizer, texts[:split], labels[:split], shuffle=True)
    test_loader = make_loader(tokenizer, texts[split:], labels[split:], shuffle=False)

    optimizer = Adam(model.parameters(), lr=2e-4)
    for epoch in range(epochs):
        model.train()
        total_loss = 0.0
        for input_ids, attention_mask, batch_labels in train_loader:
            input_ids, attention_mask, batch_labels = (
                input_ids.to(device),
                attention_mask.to(device),
                batch_labels.to(device),
            )
            optimizer.zero_grad()
            outputs = model(input_ids, attention_mask=attention_mask, labels=batch_labels)
            outputs.loss.backward()
            optimizer.step()
            total_loss += outputs.loss.item()
        print(f"epoch {epoch + 1}: mean loss {total_loss / len(train_loader):.3f}")

    model.eval()
    correct = 0
    with torch.no_grad():
        for input_ids, attention_mask, batch_labels in test_loader:
            logits = model(input_ids.to(device), attention_mask=attention_mask.to(device)).logits
            correct += (logits.argmax(dim=-1).cpu() == batch_labels).sum().item()
    accuracy = correct / len(test_loader.dataset)
    print(f"test accuracy: {accuracy:.3f}")

    inputs = tokenizer("You have won a prize! Call 0900 now to claim 1000 pounds", return_tensors="pt").to(device)
    with torch.no_grad():
        probabilities = model(**inputs).logits.softmax(dim=-1)[0]
    answer = ["not spam", "spam"][probabilities.argmax().item()]
    print(f"{answer}: {probabilities.max().item():.3f}")
    return accuracy, answer


if __name__ == "__main__":
    main()
