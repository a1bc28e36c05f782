// What pages do better with a script; all of them work without it.
"use strict";

for (const place of document.querySelectorAll(".drop")) {
  const input = place.querySelector("input[type=file]");
  const over = (event) => { event.preventDefault(); place.classList.add("over"); };
  place.addEventListener("dragover", over);
  place.addEventListener("dragenter", over);
  place.addEventListener("dragleave", () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    place.classList.remove("over");
    if (event.dataTransfer.files.length) input.files = event.dataTransfer.files;
  });
}

for (const button of document.querySelectorAll("button.copy")) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  const words = button.textContent;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.closest(".copied").querySelector("pre").textContent);
    button.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = words; }, 1500);
  });
}
